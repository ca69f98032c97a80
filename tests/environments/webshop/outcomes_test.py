"""Figures to compare results with, on a shop whose figures are known."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.webshop.outcomes import Scores, ceiling, play, reference_lines, sample
from environments.webshop.tasks import DisjointTasks
from tests.environments.webshop.shops import record, small_catalogue, synthetic_shop

COLORS = [{"value": "red"}, {"value": "titanium"}]


def book() -> DisjointTasks:
    """Two products with two goals each; `titanium` can never be matched, as it contains `tan`."""
    options = {"color": COLORS}
    return DisjointTasks(
        small_catalogue(
            record("B1", customization_options=options), record("B2", customization_options=options)
        ),
        seed=0,
    )


def test_rates_and_means() -> None:
    scores = Scores((1.0, 0.5, 0.0, 1.0))
    assert (scores.mean, scores.successes, scores.success_rate) == (0.625, 2, 0.5)


def test_only_a_whole_reward_is_a_success() -> None:
    assert Scores((0.9999999, 1.0)).successes == 1


def test_the_ceiling_counts_goals_that_cannot_be_met() -> None:
    # Attribute and price are met in both: 3 of 3 parts with red, and 2 of 3 with titanium.
    best = ceiling(book().tasks("train"), book())
    assert sorted(best.each) == [pytest.approx(2 / 3), 1.0]


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_sample_is_evenly_spaced_and_in_order(count: int, limit: int) -> None:
    numbers: list[Any] = list(sample(range(count), limit))
    assert len(numbers) == min(count, limit)
    gaps = {after - before for before, after in itertools.pairwise(numbers)}
    assert numbers[0] == 0 and numbers == sorted(set(numbers)) and numbers[-1] < count
    assert len(gaps) <= 2 and (not gaps or max(gaps) - min(gaps) <= 1)


def test_every_task_is_played_once_in_order() -> None:
    shop = synthetic_shop()
    tasks = shop.tasks("valid")[:4]
    played = play(shop.environment(), tasks, shop.policy("expert", 0))
    assert played == Scores((1.0,) * 4)


def test_lines_say_how_many_tasks_they_are_about() -> None:
    shop = synthetic_shop()
    count = len(shop.tasks("valid"))
    lines = reference_lines("valid", shop.book, shop.environment(), lambda name: shop.policy(name, 0))
    assert lines[0] == (
        f"ceiling: success 100.0% (0 of {count:,} valid goals earn less than 1 for the right product and "
        "options)"
    )
    assert [line.partition(":")[0] for line in lines[1:]] == ["rule baseline", "random baseline"]
    assert all(line.endswith(f"({count:,} tasks)") for line in lines[1:])


def test_a_large_split_is_sampled_and_the_lines_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = synthetic_shop()
    monkeypatch.setattr(sample, "__defaults__", (3,))
    _, rule, _ = reference_lines("valid", shop.book, shop.environment(), lambda name: shop.policy(name, 0))
    assert rule.endswith(f"(3 of {len(shop.tasks('valid')):,} tasks)")
