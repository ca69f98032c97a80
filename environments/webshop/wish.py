"""Reads what an instruction asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from environments.webshop.analyzer import analyze
from environments.webshop.session import MAX_QUERY_LENGTH

_BEGINNING = "Find me "
_LIMIT = re.compile(r", and price lower than ([0-9]+(?:\.[0-9]+)?) dollars$")
_FIRST_OPTION = re.compile(r" with ((?:(?! with )[^:,])+): ")
_NEXT_OPTION = re.compile(r", and ([^:,]+): ")
_CONNECTIVE = re.compile(r" with | for ")
_END_OF_LIST = re.compile(r"\S+ & ")
"""Last part of a list of kinds, such as `tees & blouses` in `women's tops, tees & blouses`: there is a single
word before its `&`."""
_CACHED_TEXTS = 1 << 14


@lru_cache(maxsize=_CACHED_TEXTS)
def terms(text: str) -> frozenset[str]:
    """The stems of a text's words, without stop words."""
    return frozenset(analyze(text))


_FILLER = terms("find me men's women's")
"""Words that say little; whether a product is for men or women is judged separately."""


@dataclass(frozen=True)
class Wish:
    """The parts of an instruction, such as those of `Find me long lasting, easy clean men's shirts with short
    sleeve for daily wear with color: red, and size: s, and price lower than 30.00 dollars`."""

    kind: str
    """Kind of product, here `easy clean men's shirts`: the text does not show where the attributes end and
    the product begins. For an instruction in free words, everything except for the price."""
    attributes: tuple[str, ...]
    """Attributes in lower case, here `long lasting`, `short sleeve` and `daily wear`."""
    options: tuple[tuple[str, str], ...]
    """Name and value of each option."""
    price_limit: float
    """Highest accepted price in dollars; infinite if there is no limit."""
    words: frozenset[str]
    """Terms of kind and attributes."""
    in_free_words: bool
    """Whether the instruction was written by a person, who names options in any way."""
    queries: tuple[str, ...]
    """Queries: a short one for kind and options, and a long one with the attributes, if there are any. Both
    repeat the options, which distinguish products better than attributes that many share."""


@lru_cache(maxsize=_CACHED_TEXTS)
def read_wish(instruction: str) -> Wish:
    """Reads any text; parts that it lacks are empty in the wish."""
    in_free_words = not instruction.startswith(_BEGINNING)
    rest, price_limit = instruction.strip().removeprefix(_BEGINNING), inf
    if limit := _LIMIT.search(rest):
        rest, price_limit = rest[: limit.start()], float(limit[1])
    described, options = (rest, ()) if in_free_words else _options(rest)
    kind, attributes = (rest, ()) if in_free_words else _kind_and_attributes(described)
    again = ", ".join(f"{name}: {value}" for name, value in options)
    return Wish(
        kind=kind,
        attributes=attributes,
        options=options,
        price_limit=price_limit,
        words=terms(described) - _FILLER,
        in_free_words=in_free_words,
        queries=tuple(dict.fromkeys(map(searchable, (f"{kind} {again} {again}", f"{rest} {again}")))),
    )


def searchable(text: str) -> str:
    """The text as a query: on one line, without brackets, not too long."""
    return " ".join(text.replace("[", " ").replace("]", " ").split())[:MAX_QUERY_LENGTH]


def _options(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The text before the options, and the options."""
    first = _FIRST_OPTION.search(text)
    if first is None:
        return text, ()
    value, *others = _NEXT_OPTION.split(text[first.end() :])
    return text[: first.start()], ((first[1], value), *zip(others[::2], others[1::2], strict=True))


def _kind_and_attributes(text: str) -> tuple[str, tuple[str, ...]]:
    (*before, kind), *after = (part.split(", ") for part in _CONNECTIVE.split(text))
    if before and _END_OF_LIST.match(kind):
        kind = f"{before.pop()}, {kind}"
    attributes = (*before, *(attribute for part in after for attribute in part))
    return kind, tuple(attribute.lower() for attribute in attributes)
