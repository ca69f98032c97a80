"""Tokens equal Lucene's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.webshop.analyzer import MAX_TOKEN_LENGTH, STOP_WORDS, analyze
from tests.environments.webshop.shops import golden_json, golden_lines, real_catalogue


def test_recorded_queries_have_the_recorded_tokens() -> None:
    recorded = golden_lines("search_top50.jsonl.xz")
    assert len(recorded) == 2000
    assert [q["query"] for q in recorded if analyze(q["query"].lower()) != q["tokens"]] == []


def test_recorded_documents_have_the_recorded_tokens() -> None:
    recorded = golden_json("lucene_doc_tokens.json.xz")
    products = real_catalogue().products
    assert len(recorded) == len(products) == 1000
    ours = (analyze(product.search_text) for product in products)
    assert [
        number for number, pair in enumerate(zip(ours, recorded, strict=True)) if pair[0] != pair[1]
    ] == []


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("finish description:solid", ["finish", "description:solid"]),
        ("9.5 in 1,000 x", ["9.5", "1,000", "x"]),
        ("end.start wi-fi", ["end.start", "wi", "fi"]),
        ("women's \u2019s dog\u2019s", ["women", "s", "dog"]),
        ("the lamp and a chair", ["lamp", "chair"]),
        ("snake_case _ __x", ["snake_cas", "__x"]),
        ("nice \u2605 lamp\u00ae", ["nice", "\u2605", "lamp", "\u00ae"]),
        ("\u6f22\u5b57", ["\u6f22", "\u5b57"]),
        ("conditionally abilities", ["condition", "abil"]),
        ("", []),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert analyze(text) == terms


def test_long_words_are_cut_into_pieces() -> None:
    assert [len(term) for term in analyze("7" * (2 * MAX_TOKEN_LENGTH + 3))] == [255, 255, 3]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_any_text_has_terms_that_are_no_stop_words(text: str) -> None:
    terms = analyze(text.lower())
    assert all(terms) and not STOP_WORDS.intersection(term for term in terms if len(term) <= 2)
    assert len(terms) <= len(text.lower())


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["lamp", "9.5", "don't", "\u2605", "\u6f22", "desk:lamp"])))
def test_blanks_separate(words: list[str]) -> None:
    assert analyze(" ".join(words)) == [term for word in words for term in analyze(word)]
