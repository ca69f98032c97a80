"""BM25 and the order of results equal Lucene's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.webshop.analyzer import analyze
from environments.webshop.bm25 import build_index, stored_length
from environments.webshop.search import SearchEngine
from tests.environments.webshop.shops import golden_lines, real_catalogue, record, small_catalogue

WORDS = st.sampled_from(["lamp", "desk", "oak", "chair", "red"])
DOCUMENTS = st.lists(st.lists(WORDS, max_size=30), min_size=1, max_size=12)


def test_recorded_searches_have_the_recorded_top_50() -> None:
    catalogue = real_catalogue()
    recorded = golden_lines("search_top50.jsonl.xz")
    differing = [
        search["query"]
        for search in recorded
        if [product.asin for product in catalogue.find(search["query"].lower())]
        != [asin for asin, _ in search["hits"]]
    ]
    assert len(recorded) == 2000 and differing == []


def test_recorded_scores_are_ours_to_the_recorded_four_digits() -> None:
    products = sorted(real_catalogue().products, key=lambda product: product.asin)
    place = {product.asin: number for number, product in enumerate(products)}
    index = build_index(analyze(product.search_text) for product in products)
    for search in golden_lines("search_top50.jsonl.xz")[::40]:
        scores = index.scores(analyze(search["query"].lower()))
        for asin, recorded in search["hits"]:
            # The recorder rounds, and lowers ties by millionths to keep their order.
            assert scores[place[asin]] == pytest.approx(recorded, abs=1.5e-4)


def test_a_score_worked_out_by_hand() -> None:
    # Three documents of 1, 2 and 3 terms: average 2. "oak" is in one of them, twice.
    index = build_index([["lamp"], ["lamp", "desk"], ["oak", "oak", "desk"]])
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    norm = 0.9 * (1 - 0.4 + 0.4 * 3 / 2)
    assert index.scores(["oak"]).tolist() == [0, 0, pytest.approx(idf * 2 / (2 + norm), rel=1e-6)]


def test_a_repeated_query_term_counts_twice() -> None:
    index = build_index([["lamp"], ["lamp", "desk"], ["oak"]])
    np.testing.assert_array_equal(index.scores(["desk", "desk"]), 2 * index.scores(["desk"]))


@pytest.mark.parametrize(("length", "stored"), [(0, 0), (23, 23), (39, 39), (41, 40), (57, 56), (100, 96)])
def test_lengths_are_remembered_with_four_significant_bits(length: int, stored: int) -> None:
    assert stored_length(length) == stored


@settings(deadline=None, max_examples=60)
@given(DOCUMENTS, st.lists(WORDS, max_size=6))
def test_top_is_the_head_of_all_matches_sorted(documents: list[list[str]], query: list[str]) -> None:
    index = build_index(documents)
    scores = index.scores(query)
    matching = sorted(
        (number for number in range(len(documents)) if scores[number]), key=lambda n: (-scores[n], n)
    )
    assert index.top(query, 3).tolist() == matching[:3]
    assert all((scores[number] > 0) == bool(set(query) & set(each)) for number, each in enumerate(documents))


def test_ties_go_to_the_smaller_asin() -> None:
    engine = SearchEngine(small_catalogue(record("B2"), record("B1"), record("B3")).products)
    assert [product.asin for product in engine.search("lamp")] == ["B1", "B2", "B3"]


def test_nothing_matches_nothing() -> None:
    engine = SearchEngine(small_catalogue(record("B1")).products)
    assert engine.search("") == engine.search("the") == engine.search("zebra") == ()
