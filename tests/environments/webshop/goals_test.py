"""Goals, prices, tasks and splits."""

import hashlib
import json
from typing import Any

import pytest

from environments.errors import EnvironmentDataError, UnknownSplitError, UnknownTaskError
from environments.webshop.goals import NO_PRICE_LIMIT, human_goals, shuffled, synthetic_goals
from environments.webshop.tasks import DisjointTasks, HiperTasks, hiper_task_id
from tests.environments.webshop.shops import (
    golden_json,
    real_catalogue,
    real_shop,
    record,
    small_catalogue,
    synthetic_shop,
)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_recorded_goals_in_the_recorded_order() -> None:
    products = real_catalogue().products
    drawn = synthetic_goals(products, 233)
    goals = shuffled(drawn.goals, 233)
    recorded, meta = golden_json("goals_seed233.json.xz"), golden_json("goals_seed233.meta.json")
    ours = [
        {
            "asin": goal.product.asin,
            "category": goal.product.category,
            "query": goal.product.query,
            "name": goal.product.title,
            "product_category": goal.product.category_path,
            "instruction_text": goal.text,
            "attributes": list(goal.attributes),
            "price_upper": goal.price_limit,
            "goal_options": dict(goal.options),
        }
        for goal in goals
    ]
    assert len(ours) == 6910
    assert ours == [{key: value for key, value in goal.items() if key != "weight"} for goal in recorded]
    canon = [
        [g["asin"], g["instruction_text"], g["attributes"], g["price_upper"], g["goal_options"]] for g in ours
    ]
    assert digest(canon) == meta["goals_sha256"]
    assert digest({product.asin: drawn.price(product) for product in products}) == meta["prices_sha256"]


def test_default_splits_share_no_product() -> None:
    shop = real_shop()
    asins = {
        split: {shop.book.find(task.id).goal.product.asin for task in shop.tasks(split)}
        for split in ("train", "valid")
    }
    assert not asins["train"] & asins["valid"]
    assert len(shop.tasks("train")) + len(shop.tasks("valid")) == 6910
    assert len(asins["valid"]) == round(0.1 * (len(asins["train"]) + len(asins["valid"])))


def test_tasks_are_sorted_and_stable() -> None:
    tasks = real_shop().tasks("valid")
    assert list(tasks) == sorted(tasks)
    assert DisjointTasks(real_catalogue(), 233).tasks("valid") == tasks
    assert DisjointTasks(real_catalogue(), 234).tasks("valid") != tasks


def test_people_wrote_thirteen_goals_for_these_products() -> None:
    shop = real_shop()
    goals = [shop.book.find(task.id).goal for task in shop.tasks("human")]
    assert len(goals) == 13 and all(goal.attributes for goal in goals)
    assert all(name == "" for goal in goals for name, _ in goal.options)


def test_hiper_validates_on_the_first_500_goals_of_a_seed() -> None:
    shop = real_shop("hiper")
    assert shop.splits == ("train", "valid")
    assert [task.id for task in shop.tasks("valid")] == [hiper_task_id(233, index) for index in range(500)]
    assert [task.id for task in shop.tasks("train")] == [
        hiper_task_id(233, index) for index in range(500, 6910)
    ]


def test_another_worker_of_the_reference_shuffles_with_its_own_seed() -> None:
    book = HiperTasks(real_catalogue(), 233)
    own = {book.find(task.id).goal.text for task in book.tasks("valid")}
    other = [book.find(hiper_task_id(234, index)).goal for index in range(500, 6910)]
    assert other[0].text == shuffled(synthetic_goals(real_catalogue().products, 234).goals, 234)[500].text
    assert own & {goal.text for goal in other}, "the reference's splits overlap, and compat keeps that"


@pytest.mark.parametrize(
    "task",
    [
        "",
        "B000",
        "seed233-1",
        "seed233-0006910",
        "seed-0000001",
        "seed0233-0000001",
        "seed1\n-0000001",
        "seed" + "9" * 30 + "-0000001",
    ],
)
def test_unknown_tasks_are_refused(task: str) -> None:
    with pytest.raises(UnknownTaskError):
        real_shop("hiper").book.find(task)
    with pytest.raises(UnknownTaskError):
        real_shop().book.find(task)


@pytest.mark.parametrize("seed", [0, -1, 10**12])
def test_any_seed_can_be_named(seed: int) -> None:
    goal = real_shop("hiper").book.find(hiper_task_id(seed, 6909)).goal
    last = shuffled(synthetic_goals(real_catalogue().products, seed).goals, seed)[6909]
    assert (goal.id, goal.text) == (last.id, last.text)


def test_unknown_split_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(UnknownSplitError, match="train, valid"):
        synthetic_shop().tasks("test")


def test_hiper_needs_goals_to_train_on() -> None:
    with pytest.raises(EnvironmentDataError, match="needs more than 500 goals"):
        HiperTasks(small_catalogue(record("B1")), 0)


def test_two_splits_need_two_products() -> None:
    with pytest.raises(EnvironmentDataError, match="two products"):
        DisjointTasks(small_catalogue(record("B1")), 0)


def test_a_goal_for_each_combination_of_options_with_sorted_names() -> None:
    options = {"Size": [{"value": "S"}, {"value": "M/L"}], "color": [{"value": " Red"}], "none": None}
    drawn = synthetic_goals(small_catalogue(record("B1", customization_options=options)).products, 0)
    assert [goal.options for goal in drawn.goals] == [
        (("color", "red"), ("size", "s")),
        (("color", "red"), ("size", "m | l")),
    ]
    limit = drawn.goals[0].price_limit
    assert limit in (30, 40, 50), "the larger of two of 20, 30, 40 and 50"
    assert drawn.goals[0].text == (
        f"Find me easy install lamps with color: red, and size: s, and price lower than {limit:.2f} dollars"
    )


@pytest.mark.parametrize(("pricing", "tag", "limited"), [("", "$100.0", True), ("$985", "$985.0", False)])
def test_dear_products_have_no_price_limit(pricing: str, tag: str, limited: bool) -> None:
    catalogue = small_catalogue(record("B1", pricing=pricing))
    (goal,) = synthetic_goals(catalogue.products, 0).goals
    assert catalogue.products[0].price_tag == tag
    assert (goal.price_limit < NO_PRICE_LIMIT) == ("price lower" in goal.text) == limited


def test_people_who_ask_for_no_attribute_are_skipped() -> None:
    assert human_goals(small_catalogue(record("B1")).products, 0).goals == ()
