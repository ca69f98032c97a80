"""Several environments as one benchmark."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark, ReferencedBenchmark, name_of, telling_of
from environments.contract import check
from environments.errors import EnvironmentDataError, UnknownEnvironmentError, UnknownTaskError
from environments.evaluation import evaluate
from environments.registry import load


def loaded(*mix: str, step_limits: tuple[str, ...] = ()) -> Benchmark:
    return load(
        EnvironmentSettings(
            mix=mix,
            source="generated",
            step_limit=12,
            step_limits=step_limits,
            generator=GeneratorSettings(games=6, horizon="short", products=20),
        )
    )


@pytest.fixture(scope="module")
def mixed() -> Benchmark:
    return loaded("alfworld=3", "webshop=1")


def test_a_mix_keeps_the_contract(mixed: Benchmark) -> None:
    assert [result for result in check(mixed, 12) if result.problems] == []


def test_each_environment_has_its_own_step_limit() -> None:
    own = {"alfworld": 20, "webshop": 5}
    for first, other in (("alfworld", "webshop"), ("webshop", "alfworld")):
        mixed = loaded(f"{first}=1", f"{other}=1", step_limits=tuple(f"{k}={v}" for k, v in own.items()))
        assert [result for result in check(mixed, 12, own) if result.problems] == []
        assert [result.promise for result in check(mixed, 12) if result.problems]
        for name, limit in own.items():
            assert _turns(mixed, name) == limit
    shop = loaded("alfworld=1", "webshop=1", step_limits=("webshop=5",))
    assert (_turns(shop, "alfworld"), _turns(shop, "webshop")) == (12, 5)


def _turns(mixed: Benchmark, name: str) -> int:
    """Number of turns of an episode in which nothing useful is done."""
    environment = mixed.environment()
    environment.reset(options={"task": next(task.id for task in mixed.tasks("train") if name in task.id)})
    for number in count(1):
        _, _, terminated, truncated, _ = environment.step("dance")
        if terminated or truncated:
            assert truncated
            return number
    raise AssertionError("unreachable")


def test_a_task_names_its_environment_whose_texts_and_players_it_has(mixed: Benchmark) -> None:
    assert mixed.splits == ("train", "valid_seen", "valid_unseen", "valid")
    tasks = mixed.tasks("train")
    names = [name_of(mixed, task.id) for task in tasks]
    assert names == sorted(names) and set(names) == {"alfworld", "webshop"}
    assert all(task.type.startswith(f"{name}/") for name, task in zip(names, tasks, strict=True))
    assert {task.id.partition("/")[0] for task in mixed.tasks("valid")} == {"webshop"}
    alfworld, webshop = (telling_of(mixed, task.id) for task in (tasks[0], tasks[-1]))
    assert type(alfworld).__name__ == "AlfworldTelling" and type(webshop).__name__ == "WebShopTelling"
    outcomes = evaluate(mixed, mixed.policy("expert", 0), "train")
    assert all(outcome.won for outcome in outcomes if outcome.task.type.startswith("alfworld/"))
    assert {outcome.task for outcome in outcomes} == set(tasks)
    assert isinstance(mixed, ReferencedBenchmark)
    assert all(line.startswith("webshop: ") for line in mixed.reference_lines("valid"))


def test_an_episode_is_as_it_is_alone(mixed: Benchmark) -> None:
    alone = load(
        EnvironmentSettings(
            source="generated", step_limit=12, generator=GeneratorSettings(games=6, horizon="short")
        )
    )
    task = alone.tasks("train")[3]
    both, one = mixed.environment(), alone.environment()
    shop = next(task for task in mixed.tasks("train") if task.id.startswith("webshop/"))
    both.reset(options={"task": shop.id})
    observation, info = both.reset(options={"task": f"alfworld/{task.id}"})
    assert (observation, info["goal"]) == (
        (first := one.reset(options={"task": task.id}))[0],
        first[1]["goal"],
    )
    assert (info["task_id"], info["task_type"]) == (f"alfworld/{task.id}", f"alfworld/{task.type}")
    for step in alone.demonstration(task):
        (*mine, told), (*others, known) = both.step(step.action), one.step(step.action)
        assert mine == others and told["admissible_actions"] == known["admissible_actions"]
    assert told["won"]


def test_what_is_in_no_part_is_refused(mixed: Benchmark) -> None:
    with pytest.raises(UnknownTaskError, match="unknown task 'chess/1'. .*alfworld/…, webshop/…"):
        mixed.environment().reset(options={"task": "chess/1"})
    with pytest.raises(UnknownEnvironmentError, match="Did you mean webshop"):
        loaded("alfworld=3", "webshp=1")
    with pytest.raises(EnvironmentDataError, match="ALFWORLD_DATA and WEBSHOP_DATA name those of each"):
        load(EnvironmentSettings(mix=("alfworld=3", "webshop=1"), data=Path("/data")))
