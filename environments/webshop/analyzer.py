"""Lucene's EnglishAnalyzer: splits into words (UAX#29), drops possessives and stop words, stems (Porter).

Gives the same terms as Lucene 9 on the recorded documents and queries of the benchmark; stock tokenizers do
not. Colons, full stops and apostrophes between letters do not split a word (`description:solid` is one
token), nor do commas, full stops and apostrophes between digits; pictographs are tokens; and the stemmer is
Porter's with Martin Porter's later extensions.
"""

from __future__ import annotations

from functools import lru_cache

import regex
from nltk.stem.porter import PorterStemmer

MAX_TOKEN_LENGTH = 255
"""Lucene cuts longer words into pieces of this many characters."""

_STOP_WORDS = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
    "they this to was will with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""`EnglishAnalyzer.ENGLISH_STOP_WORDS_SET` of Lucene."""

# Extended_Pictographic of Unicode 12.1, for which Lucene's grammar was generated. Later versions withdrew the
# property from symbols such as U+2605, so that the `regex` package's own, newer table gives other tokens.
_PICTOGRAPHS = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685\u2690-\u2705"
    "\u2708-\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757"
    "\u2763-\u2767\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030"
    "\u303d\u3297\u3299\U0001f000-\U0001f0ff\U0001f10d-\U0001f10f\U0001f12f\U0001f16c-\U0001f171\U0001f17e\U0001f17f"
    "\U0001f18e\U0001f191-\U0001f19a\U0001f1ad-\U0001f1e5\U0001f201-\U0001f20f\U0001f21a\U0001f22f"
    "\U0001f232-\U0001f23a\U0001f23c-\U0001f23f\U0001f249-\U0001f3fa\U0001f400-\U0001f53d"
    "\U0001f546-\U0001f64f\U0001f680-\U0001f6ff\U0001f774-\U0001f77f\U0001f7d5-\U0001f7ff"
    "\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f\U0001f888-\U0001f88f"
    "\U0001f8ae-\U0001f8ff\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001fffd"
)

# The names are those of StandardTokenizerImpl.jflex. Possessive quantifiers (`*+`, `++`) never backtrack, so
# that long junk is matched in linear time.
_EXT = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]*+"
_NUMERIC = rf"(?:[\p{{WB=Numeric}}\uFF10-\uFF19]{_EXT})"
_LETTER = rf"(?:[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}]{_EXT})"
_KATAKANA = rf"(?:\p{{WB=Katakana}}{_EXT})"
_JOINER = rf"(?:\p{{WB=ExtendNumLet}}{_EXT})"
_MID_LETTER = rf"(?:[\p{{WB=MidLetter}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_EXT})"
_MID_NUMBER = rf"(?:[\p{{WB=MidNum}}\p{{WB=MidNumLet}}\p{{WB=Single_Quote}}]{_EXT})"
_NUMBER_RUN = rf"{_NUMERIC}(?:(?:{_JOINER}*+|{_MID_NUMBER}){_NUMERIC})*+"
_LETTER_RUN = rf"{_LETTER}(?:(?:{_JOINER}*+|{_MID_LETTER}){_LETTER})*+"
_KATAKANA_RUN = rf"{_KATAKANA}(?:{_JOINER}*+{_KATAKANA})*+"
_PART = rf"(?:{_KATAKANA_RUN}|(?:{_NUMBER_RUN}|{_LETTER_RUN})++)"
_PICTOGRAPH = rf"[{_PICTOGRAPHS}]\uFE0F?[\U0001F3FB-\U0001F3FF]?"
_EMOJI = (
    rf"(?:\p{{RI}}{{2}}|[0-9#*]\uFE0F?\u20E3|{_PICTOGRAPH}"
    rf"(?:\u200D{_PICTOGRAPH})*+{_EXT})"
)
_TOKEN = regex.compile(
    rf"{_EMOJI}|{_JOINER}*+{_PART}(?:{_JOINER}++{_PART})*+{_JOINER}*+|\p{{Line_Break=SA}}++"
    rf"|[\p{{Script=Han}}\p{{Script=Hiragana}}]{_EXT}"
)
_POSSESSIVE = ("'s", "\u2019s", "\uff07s", "'S", "\u2019S", "\uff07S")

_stemmer = PorterStemmer(PorterStemmer.MARTIN_EXTENSIONS)


@lru_cache(maxsize=1 << 17)
def _term(word: str) -> str | None:
    """The index term of a word, or None for a stop word."""
    if word.endswith(_POSSESSIVE):
        word = word[:-2]
    word = word.lower()
    return None if word in STOP_WORDS else _stemmer.stem(word, to_lowercase=False)


def analyze(text: str) -> list[str]:
    """The index terms of a text, in order and with repeats."""
    terms = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        for start in range(0, len(word), MAX_TOKEN_LENGTH):
            term = _term(word[start : start + MAX_TOKEN_LENGTH])
            if term is not None:
                terms.append(term)
    return terms
