"""Actions, pages and what they show."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.webshop.catalogue import Catalogue
from environments.webshop.pages import render
from environments.webshop.session import (
    MAX_QUERY_LENGTH,
    Page,
    Session,
    after_click,
    after_search,
    parse_action,
)
from tests.environments.webshop.shops import record, small_catalogue

BRACKETS = st.text(alphabet="[]ab\n\x00 ", max_size=12)
OPTIONS = {"Color": [{"value": "Red"}, {"value": "L"}], "size": [{"value": "S"}, {"value": "l"}]}


def lamps(**changes: object) -> Catalogue:
    return small_catalogue(record("B1", customization_options=OPTIONS, **changes))


def clicked(catalogue: Catalogue, *targets: str, query: str = "lamp") -> Session:
    session = after_search(query)
    for target in targets:
        assert session is not None
        assert target in render(session, "I", catalogue, False).clickables
        session = after_click(session, target, catalogue)
    assert session is not None
    return session


def text(session: Session, catalogue: Catalogue, show_options: bool = False) -> str:
    return render(session, "Find a lamp", catalogue, show_options).text


@settings(deadline=None, max_examples=500)
@given(BRACKETS)
def test_actions_are_parsed_as_the_reference_does(action: str) -> None:
    match = re.match(r"(.+)\[(.+)\]", action)
    assert parse_action(action) == ((match[1], match[2].lower()) if match else ("", ""))


@pytest.mark.parametrize("junk", ["[" * 1_000_000, "]" * 1_000_000, "[]" * 500_000, "a[" * 500_000 + "]"])
def test_a_megabyte_of_brackets_is_parsed(junk: str) -> None:
    assert parse_action(junk)[0] not in ("search", "click")


def test_the_whole_way_through_the_shop() -> None:
    catalogue = lamps()
    head = "Instruction: [SEP] Find a lamp [SEP] "
    assert text(Session(), catalogue) == f"WebShop [SEP] {head}Search"
    assert text(clicked(catalogue), catalogue) == (
        f"{head}Back to Search [SEP] Page 1 (Total results: 1) [SEP] Next > [SEP] B1 [SEP] "
        "Acme Lamp [SEP] $15.5"
    )
    assert text(clicked(catalogue, "b1"), catalogue) == (
        f"{head}Back to Search [SEP] < Prev [SEP] color [SEP] red [SEP] l [SEP] size [SEP] s [SEP] l "
        "[SEP] Acme Lamp [SEP] Price: $15.5 [SEP] Rating: N.A. [SEP] Description [SEP] Features "
        "[SEP] Reviews [SEP] Buy Now"
    )
    assert (
        text(clicked(catalogue, "b1", "description"), catalogue)
        == f"{head}Back to Search [SEP] < Prev [SEP] A lamp."
    )
    assert text(clicked(catalogue, "b1", "reviews"), catalogue) == f"{head}Back to Search [SEP] < Prev"
    assert clicked(catalogue, "b1", "buy now").page is Page.DONE


def test_next_never_ends_and_prev_leads_back() -> None:
    catalogue = lamps()
    third = clicked(catalogue, "next >", "next >")
    assert text(third, catalogue).endswith("Page 3 (Total results: 1) [SEP] < Prev [SEP] Next >")
    assert clicked(catalogue, "next >", "next >", "< prev", "< prev") == clicked(catalogue)


def test_a_sub_page_keeps_the_options_and_the_results_forget_them() -> None:
    catalogue = lamps()
    assert clicked(catalogue, "b1", "red", "features", "< prev").options == (("color", "red"),)
    assert clicked(catalogue, "b1", "red", "< prev", "b1").options == ()
    assert clicked(catalogue, "b1", "back to search") == Session()


def test_of_two_options_with_a_value_the_later_is_set() -> None:
    assert clicked(lamps(), "b1", "l").options == (("size", "l"),)


def test_an_option_is_changed_by_another_value() -> None:
    assert clicked(lamps(), "b1", "l", "s").options == (("size", "s"),)


def test_chosen_options_are_shown_only_when_asked_for() -> None:
    catalogue = lamps()
    session = clicked(catalogue, "b1", "red", "s")
    assert " [SEP] < Prev [SEP] Chosen: color: red, size: s [SEP] color [SEP] " in text(
        session, catalogue, True
    )
    assert text(session, catalogue) == text(clicked(catalogue, "b1"), catalogue)
    assert text(clicked(catalogue, "b1"), catalogue, True) == text(clicked(catalogue, "b1"), catalogue)


def test_clickables_are_buttons_then_values_without_repeats() -> None:
    catalogue = lamps()
    view = render(clicked(catalogue, "b1"), "I", catalogue, False)
    buttons = ("back to search", "< prev", "description", "features", "reviews", "buy now")
    assert view.clickables == (*buttons, "red", "l", "s")
    assert view.admissible == tuple(f"click[{target}]" for target in view.clickables)
    assert render(Session(), "I", catalogue, False).admissible == ("search[<your query>]", "click[search]")


@pytest.mark.parametrize(
    ("feature", "shown"),
    [("", " [SEP] "), ("\n", ""), (" \n\t", ""), (" ", " [SEP] "), ("\xa0", " [SEP] "), (" x ", " [SEP] x")],
)
def test_a_blank_feature_vanishes_only_with_a_line_break(feature: str, shown: str) -> None:
    catalogue = lamps(small_description=[feature, "end"])
    assert text(clicked(catalogue, "b1", "features"), catalogue).endswith(f"< Prev{shown} [SEP] end")


@pytest.mark.parametrize(("features", "shown"), [([], ""), ([""], " [SEP] "), ("", " [SEP] ")])
def test_features_of_a_product_without_any(features: list[str] | str, shown: str) -> None:
    catalogue = lamps(small_description=features)
    assert text(clicked(catalogue, "b1", "features"), catalogue).endswith(
        f"Back to Search [SEP] < Prev{shown}"
    )


@pytest.mark.parametrize(
    ("description", "shown"), [("", ""), ("\n", ""), (" ", " [SEP] "), (" x\n", " [SEP] x")]
)
def test_a_blank_description_vanishes_when_empty_or_with_a_line_break(description: str, shown: str) -> None:
    catalogue = lamps(full_description=description)
    assert text(clicked(catalogue, "b1", "description"), catalogue).endswith(f"< Prev{shown}")


def test_the_references_hidden_searches_are_plain_searches() -> None:
    catalogue = lamps()
    for query in ("<r>", "<q> lamps", "<c> garden", "<a> x"):
        session = clicked(catalogue, query=query)
        assert session.page is Page.RESULTS
        assert [product.asin for product in catalogue.find(query)] == (["B1"] if "lamps" in query else [])


def test_a_search_is_limited_in_length() -> None:
    assert after_search("x" * MAX_QUERY_LENGTH) is not None
    assert after_search("x" * (MAX_QUERY_LENGTH + 1)) is None
