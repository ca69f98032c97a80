"""Promises about the words of the synthetic catalogue, checked against the reward."""

from __future__ import annotations

import itertools

import pytest

from environments.webshop.reward import matches_option
from environments.webshop.synthetic import synthetic_catalogue
from environments.webshop.vocabulary import BRANDS, KINDS, Kind

EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.query)


@EACH_KIND
def test_every_option_value_is_recognised(kind: Kind) -> None:
    for name, values in kind.options.items():
        for value in values:
            assert matches_option(value, name, value), (name, value)


@EACH_KIND
def test_a_value_is_not_mistaken_for_one_of_another_option(kind: Kind) -> None:
    for (name, values), (_, others) in itertools.permutations(kind.options.items(), 2):
        for wanted, chosen in itertools.product(values, others):
            assert not matches_option(chosen, name, wanted), (name, wanted, chosen)


@EACH_KIND
def test_words_are_distinct_and_prices_make_sense(kind: Kind) -> None:
    for words in (kind.heads, kind.materials, kind.attributes, *kind.options.values()):
        assert len(set(words)) == len(words)
    assert 0 < kind.prices[0] < kind.prices[1]
    assert len(kind.attributes) >= 5, "as many as a product may have"
    assert len(kind.options) >= 2 and all(len(values) >= 2 for values in kind.options.values())
    assert kind.path.count(" › ") >= 2


def test_brands_and_queries_are_distinct() -> None:
    assert len(set(BRANDS)) == len(BRANDS)
    assert len({kind.query for kind in KINDS}) == len(KINDS)


def test_kinds_take_turns_in_the_catalogue() -> None:
    products = synthetic_catalogue(2 * len(KINDS) + 1, seed=3).products
    kinds = [*KINDS, *KINDS, KINDS[0]]
    assert [product.query for product in products] == [kind.query for kind in kinds]
    for product, kind in zip(products, kinds, strict=True):
        assert product.category_path == kind.path
        assert set(product.options) <= set(kind.options)
        assert all(set(values) <= set(kind.options[name]) for name, values in product.options.items())
        assert min(len(values) for values in product.options.values()) >= 2
        assert product.instruction is not None
        assert set(product.instruction.attributes) <= set(product.attributes) <= set(kind.attributes)


def test_a_seed_s_catalogue_stays_the_same_from_version_to_version() -> None:
    # Recorded: figures in the documentation were measured with such catalogues.
    assert synthetic_catalogue(60, seed=0).digest == (
        "48b550cf498272aab675fbf45d52c47f1fdb9cc40df5e1e712ef5ac2a661b1a2"
    )


def test_a_fifth_of_the_prices_are_ranges() -> None:
    products = synthetic_catalogue(500, seed=0).products
    ranges = [product.prices for product in products if len(product.prices) == 2]
    assert 70 <= len(ranges) <= 130
    assert all(1.09 < high / low < 1.61 for low, high in ranges)


def test_product_numbers_look_like_amazon_s() -> None:
    asins = [product.asin for product in synthetic_catalogue(50, seed=1).products]
    assert len(set(asins)) == 50
    assert all(len(asin) == 10 and asin.startswith("B0") and asin.isalnum() for asin in asins)
