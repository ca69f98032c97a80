"""Products from the records of the benchmark's three files, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.errors import EnvironmentDataError
from environments.webshop.products import (
    NO_ATTRIBUTES,
    Instruction,
    Product,
    distinct_records,
    parse_product,
)
from tests.environments.webshop.shops import record

HUMAN = {
    "instruction": "i want a lamp.",
    "instruction_attributes": ["bright"],
    "instruction_options": ["red", "large"],
}


def parsed(annotation: dict[str, Any] | None = None, **changes: Any) -> Product:
    return parse_product(record("B1", **changes), annotation or {}, (), ("lamp",))


def test_texts_are_kept_as_they_are() -> None:
    product = parsed(name="  Acme Lamp ", small_description=["Bright ", ""], full_description="")
    assert (product.title, product.description, product.features) == ("  Acme Lamp ", "", ("Bright ", ""))
    assert (product.asin, product.category, product.query) == ("B1", "garden", "lamps")
    assert product.category_path == "Home › Lighting › Lamps"
    assert product.title_nouns == ("lamp",)


def test_one_feature_need_not_be_a_list() -> None:
    assert parsed(small_description="Bright light").features == ("Bright light",)


@pytest.mark.parametrize(
    ("pricing", "tag", "prices"),
    [
        ("$15.50", "$15.5", (15.5,)),
        ("$1,299.00", "$1299.0", (1299.0,)),
        ("$5 - $7.25", "$5.0 to $7.25", (5.0, 7.25)),
        ("$1 $2 $3", "$1.0 to $2.0", (1.0, 2.0)),
        ("from $9.99 (used)", "$9.99", (9.99,)),
        ("", "$100.0", (100.0,)),
        (None, "$100.0", (100.0,)),
    ],
)
def test_prices(pricing: str | None, tag: str, prices: tuple[float, ...]) -> None:
    product = parsed(pricing=pricing)
    assert (product.price_tag, product.prices) == (tag, prices)


def test_options_are_in_lower_case_with_spaced_bars() -> None:
    raw = {"Color": [{"value": " Red/Blue "}, {"value": "Green"}], "Style": None, "Size": []}
    assert parsed(customization_options=raw).options == {"color": ("red | blue", "green"), "size": ()}
    assert parsed(customization_options=None).options == {}


def test_a_product_without_an_annotation_has_a_dummy_attribute_and_no_goal() -> None:
    product = parsed()
    assert product.attributes == NO_ATTRIBUTES
    assert product.instruction is None and product.human_instructions == ()


def test_instructions_keep_their_attributes_and_options() -> None:
    annotation = {"attributes": ["bright", "small"], "instruction": "Find", "instruction_attributes": ["b"]}
    product = parse_product(record("B1"), annotation, [HUMAN, HUMAN], ())
    assert product.attributes == ("bright", "small")
    assert product.instruction == Instruction("Find", ("b",))
    assert product.human_instructions == (Instruction("i want a lamp.", ("bright",), ("red", "large")),) * 2


def test_an_annotation_may_lack_an_instruction() -> None:
    assert parsed({"attributes": ["bright"]}).instruction is None


def test_the_search_engine_reads_title_description_first_feature_and_options() -> None:
    options = {"Color": [{"value": "Red"}, {"value": "Blue"}], "Size": [{"value": "S"}]}
    product = parsed(small_description=["First", "Second"], customization_options=options)
    assert product.search_text == "acme lamp a lamp. first color: red, blue, and size: s"
    assert parsed(small_description=[]).search_text == "acme lamp a lamp.  "


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 7},
        {"full_description": None},
        {"small_description": [None]},
        {"pricing": "$five"},
        {"pricing": "five"},
        {"customization_options": [1]},
        {"customization_options": {"c": [{"price": 1}]}},
        {"query": None},
        {"category": 3},
    ],
)
def test_a_record_of_another_kind_is_refused_with_its_asin(changes: dict[str, Any]) -> None:
    with pytest.raises(EnvironmentDataError, match="product 'B1' is not a WebShop record"):
        parsed(**changes)


@pytest.mark.parametrize("field", ["name", "full_description", "small_description", "category", "query"])
def test_a_missing_field_is_named(field: str) -> None:
    whole = record("B1")
    del whole[field]
    with pytest.raises(EnvironmentDataError, match=f"KeyError\\('{field}'\\)"):
        parse_product(whole, {}, (), ())


@pytest.mark.parametrize("human", [[{}], [7], 7, [{**HUMAN, "instruction_options": None}]])
def test_human_instructions_of_another_kind_are_refused(human: Any) -> None:
    with pytest.raises(EnvironmentDataError, match="product 'B1'"):
        parse_product(record("B1"), {}, human, ())


def test_only_the_first_record_of_an_asin_counts() -> None:
    records = [
        {"asin": name, "n": n} for n, name in enumerate(("A", "nan", "B", "A", "A123456789", "A" * 11))
    ]
    assert [each["n"] for each in distinct_records(records)] == [0, 2, 4]


@pytest.mark.parametrize("foreign", [{}, {"asin": None}, {"asin": 7}, [], "B1", None])
def test_what_has_no_asin_is_refused_and_shown(foreign: Any) -> None:
    with pytest.raises(EnvironmentDataError, match="no asin"):
        list(distinct_records([foreign]))


@given(st.lists(st.text("ab", max_size=12)))
def test_distinct_records_are_distinct_and_in_order(asins: list[str]) -> None:
    kept = [each["asin"] for each in distinct_records({"asin": asin} for asin in asins)]
    assert kept == [asin for asin in dict.fromkeys(asins) if len(asin) <= 10]
