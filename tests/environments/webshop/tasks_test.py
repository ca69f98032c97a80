"""Splits of a small shop, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from environments.benchmark import Task
from environments.errors import EnvironmentDataError, UnknownSplitError, UnknownTaskError
from environments.webshop.catalogue import Catalogue, parse_catalogue
from environments.webshop.goals import human_goals, shuffled, synthetic_goals
from environments.webshop.tasks import DisjointTasks, HiperTasks, hiper_task_id
from tests.environments.webshop.shops import record

SIZES = {"size": [{"value": value} for value in ("s", "m", "l")]}
INSTRUCTION = {"attributes": ["a"], "instruction": "Find me lamps", "instruction_attributes": ["a"]}


def catalogue(count: int, human: dict[str, Any] | None = None, **changes: Any) -> Catalogue:
    """Products B00, B01, …, each with three sizes and so with three goals."""
    asins = [f"B{number:02d}" for number in range(count)]
    records = [record(asin, customization_options=SIZES, **changes) for asin in asins]
    return Catalogue(
        parse_catalogue(
            records, dict.fromkeys(asins, INSTRUCTION), human or {}, dict.fromkeys(asins, ("lamp",))
        )
    )


def written(*options: str, attributes: tuple[str, ...] = ("bright",)) -> dict[str, Any]:
    return {
        "instruction": "i want lamps.",
        "instruction_attributes": list(attributes),
        "instruction_options": list(options),
    }


@pytest.mark.parametrize(("products", "validating"), [(2, 1), (4, 1), (10, 1), (15, 2), (26, 3), (40, 4)])
def test_a_tenth_of_the_products_validate_and_at_least_one(products: int, validating: int) -> None:
    book = DisjointTasks(catalogue(products), seed=5)
    asins = {split: {task.id.rpartition("-")[0] for task in book.tasks(split)} for split in book.splits}
    assert len(asins["valid"]) == validating
    assert len(asins["train"]) == products - validating
    assert not asins["train"] & asins["valid"]
    assert len(book.tasks("train")) == 3 * (products - validating)


def test_tasks_are_sorted_and_carry_their_category() -> None:
    book = DisjointTasks(catalogue(2, category="beauty"), seed=0)
    tasks = sorted((*book.tasks("train"), *book.tasks("valid")))
    assert [task.id for task in tasks] == [f"{asin}-{n:04d}" for asin in ("B00", "B01") for n in range(3)]
    assert {task.type for task in tasks} == {"beauty"}
    assert book.tasks("train")[0] == Task(book.tasks("train")[0].id, "beauty", "train")


def test_people_s_goals_are_a_split_of_their_own() -> None:
    book = DisjointTasks(catalogue(3, {"B01": [written(), written("s"), written(attributes=())]}), seed=0)
    assert book.splits == ("train", "human", "valid")
    assert [task.id for task in book.tasks("human")] == ["human-B01-0000", "human-B01-0001"]
    assert len(book.tasks("train")) + len(book.tasks("valid")) == 9
    found = book.find("human-B01-0001")
    assert found.goal.options == (("", "s"),)
    assert found.goal.named_options == {}
    assert found.goal.text.startswith("i want lamps, and price lower than ")


def test_without_people_s_goals_there_are_two_splits() -> None:
    book = DisjointTasks(catalogue(3), seed=0)
    assert book.splits == ("train", "valid")
    with pytest.raises(UnknownSplitError, match="human"):
        book.tasks("human")


def test_a_task_has_the_prices_that_were_drawn_with_it() -> None:
    products = catalogue(4, {"B01": [written()]}, pricing="$10.00 $20.00")
    book = DisjointTasks(products, seed=3)
    made = synthetic_goals(products.products, 3)
    found = book.find("B02-0000")
    assert found.drawn.prices == made.prices
    assert set(made.prices) == {"B00", "B01", "B02", "B03"}
    assert all(10 <= price <= 20 for price in made.prices.values())
    assert book.find("human-B01-0000").drawn.prices == human_goals(products.products, 3).prices


def test_a_fixed_price_is_not_drawn() -> None:
    products = catalogue(2, pricing="$12.50")
    drawn = synthetic_goals(products.products, 0)
    assert drawn.prices == {}
    assert drawn.price(products.products[0]) == 12.5


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownTaskError, match="Did you mean B01-000"):
        DisjointTasks(catalogue(2), seed=0).find("B01-00001")


def test_a_split_needs_two_products_with_goals() -> None:
    with pytest.raises(EnvironmentDataError, match="need two products with instructions; there are 1"):
        DisjointTasks(catalogue(1), seed=0)


def test_the_500_first_shuffled_goals_validate_in_the_references_order() -> None:
    products = catalogue(168)
    book = HiperTasks(products, seed=9)
    goals = shuffled(synthetic_goals(products.products, 9).goals, 9)
    assert (len(goals), len(book.tasks("valid")), len(book.tasks("train"))) == (504, 500, 4)
    assert [book.find(task.id).goal.id for task in book.tasks("train")] == [goal.id for goal in goals[500:]]
    assert book.find(hiper_task_id(9, 0)).goal.id == goals[0].id
    assert book.tasks("train")[0] == Task("seed9-0000500", "garden", "train")


def test_500_goals_leave_nothing_to_train_on() -> None:
    with pytest.raises(EnvironmentDataError, match="needs more than 500 goals.* gives 498"):
        HiperTasks(catalogue(166), seed=0)


def test_goals_of_a_seed_are_drawn_once() -> None:
    book = HiperTasks(catalogue(168), seed=0)
    assert book.goals(4) is book.goals(4)
    assert book.find("seed4-0000007").goal is book.goals(4).goals[7]


def test_shuffling_keeps_all_goals() -> None:
    goals = synthetic_goals(catalogue(5).products, 0).goals
    first, again, other = shuffled(goals, 1), shuffled(goals, 1), shuffled(goals, 2)
    assert first == again != other
    assert (
        sorted(goal.id for goal in first) == sorted(goal.id for goal in other) == [goal.id for goal in goals]
    )
