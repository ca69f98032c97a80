"""Demonstrations: which query, which page, which options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from environments.webshop.catalogue import Catalogue
from environments.webshop.expert import BUY, FIND, demonstrate, right_options
from environments.webshop.goals import Goal, synthetic_goals
from tests.environments.webshop.shops import record, small_catalogue

OPTIONS = {
    "color": [{"value": "red"}, {"value": "dark blue"}],
    "size": [{"value": "small"}, {"value": "large"}],
}


def goal_of(catalogue: Catalogue, asin: str, **options: str) -> Goal:
    """The goal of the product with these options; all of its first goal without any."""
    goals = [goal for goal in synthetic_goals(catalogue.products, 0).goals if goal.product.asin == asin]
    return next(goal for goal in goals if options.items() <= dict(goal.options).items())


def shop(*others: str, **changes: Any) -> Catalogue:
    return small_catalogue(
        record("B00", customization_options=OPTIONS, **changes), *(record(asin) for asin in others)
    )


def steps(goal: Goal, catalogue: Catalogue) -> list[tuple[str, str]]:
    return [(step.subgoal, step.action) for step in demonstrate(goal, catalogue)]


def test_it_searches_for_attributes_and_kind_and_chooses_every_option() -> None:
    catalogue = shop()
    assert steps(goal_of(catalogue, "B00", color="dark blue", size="large"), catalogue) == [
        (FIND, "search[easy install lamps]"),
        (FIND, "click[b00]"),
        (BUY, "click[dark blue]"),
        (BUY, "click[large]"),
        (BUY, "click[buy now]"),
    ]


def test_a_product_on_a_later_page_is_reached_by_paging() -> None:
    # All 25 products match every query equally, so that the smallest number comes first: B24 is on page 3.
    catalogue = small_catalogue(*(record(f"B{number:02d}") for number in range(25)))
    actions = [action for _, action in steps(goal_of(catalogue, "B24"), catalogue)]
    assert actions[0].startswith("search[")
    assert actions[1:] == ["click[next >]", "click[next >]", "click[b24]", "click[buy now]"]
    assert [action for _, action in steps(goal_of(catalogue, "B09"), catalogue)][1:] == [
        "click[b09]",
        "click[buy now]",
    ]


def test_a_query_that_finds_the_product_on_its_first_page_is_preferred() -> None:
    # Twelve others match the plain query better: only this product has the options' values in its texts.
    others = [record(f"A{number:02d}", name="Easy Install Lamps") for number in range(12)]
    catalogue = small_catalogue(record("B00", customization_options=OPTIONS), *others)
    actions = [action for _, action in steps(goal_of(catalogue, "B00", color="dark blue"), catalogue)]
    assert actions[:2] == ["search[easy install lamps dark blue small]", "click[b00]"]


def test_brackets_are_left_out_of_the_query() -> None:
    catalogue = shop()
    goal = replace(goal_of(catalogue, "B00", color="red"), attributes=("[easy]",))
    assert steps(goal, catalogue)[0] == (FIND, "search[ easy  lamps]")


def test_named_options_are_taken_as_they_are() -> None:
    goal = goal_of(shop(), "B00", color="red", size="small")
    assert right_options(goal) == {"color": "red", "size": "small"}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (("dark blue", "large"), {"color": "dark blue", "size": "large"}),
        (("large",), {"size": "large"}),
        (("purple",), {}),
        ((), {}),
    ],
)
def test_options_that_people_name_are_matched_with_the_product_s(
    wanted: tuple[str, ...], chosen: dict[str, str]
) -> None:
    goal = replace(goal_of(shop(), "B00"), options=tuple(("", value) for value in wanted))
    assert right_options(goal) == chosen


def test_of_several_values_that_match_the_first_is_chosen() -> None:
    options = {"color": [{"value": "sky blue"}, {"value": "dark blue"}]}
    catalogue = small_catalogue(record("B00", customization_options=options))
    goal = replace(goal_of(catalogue, "B00"), options=(("", "blue"),))
    assert right_options(goal) == {"color": "sky blue"}
