"""ALFWorld behind gymnasium's interface."""

from __future__ import annotations

import sys

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.environment import AlfworldEnvironment
from environments.alfworld.generator import GeneratedSource
from environments.errors import ActionTypeError, EpisodeError

BENCHMARK = AlfworldBenchmark(GeneratedSource(GeneratorSettings(games=12), seed=0), step_limit=8)
TASK = BENCHMARK.tasks("train")[0]


def started() -> AlfworldEnvironment:
    environment = BENCHMARK.environment()
    environment.reset(options={"task": TASK.id})
    return environment


def test_an_expert_episode() -> None:
    environment = BENCHMARK.environment()
    observation, info = environment.reset(options={"task": TASK.id})
    assert observation.endswith(f"Your task is to: {info['goal']}")
    assert (info["task_id"], info["task_type"]) == (TASK.id, TASK.type)
    *before, last = BENCHMARK.demonstration(TASK)
    for step in before:
        assert step.action in info["admissible_actions"]
        _, reward, terminated, truncated, info = environment.step(step.action)
        assert (reward, terminated, truncated, info["won"], info["score"]) == (0.0, False, False, False, 0.0)
    _, reward, terminated, truncated, info = environment.step(last.action)
    assert (reward, terminated, truncated, info["won"], info["score"]) == (1.0, True, False, True, 1.0)
    with pytest.raises(EpisodeError, match="over"):
        environment.step("look")


def test_the_step_limit_truncates_and_does_not_terminate() -> None:
    environment = started()
    ends = [environment.step("dance")[2:4] for _ in range(8)]
    assert ends == [(False, False)] * 7 + [(False, True)]
    with pytest.raises(EpisodeError, match="over"):
        environment.step("look")


def test_help_stays_in_the_list_as_the_reference_has_it() -> None:
    _, info = BENCHMARK.environment().reset(options={"task": TASK.id})
    assert "help" in info["admissible_actions"]
    assert list(info["admissible_actions"]) == sorted(info["admissible_actions"])


@pytest.mark.parametrize("action", [None, 3, b"look", ["look"]])
def test_an_action_that_is_no_text_is_refused_and_costs_nothing(action: object) -> None:
    environment = started()
    twin = environment.snapshot()
    with pytest.raises(ActionTypeError, match=f"not {type(action).__name__}"):
        environment.step(action)  # type: ignore[arg-type]
    assert [environment.step("look") for _ in range(8)] == [twin.step("look") for _ in range(8)]


@pytest.mark.parametrize("action", ["x" * (1 << 20), "\x00\x07\x1b[31m", "\ud800", ""])
def test_strange_text_is_answered_and_costs_a_step(action: str) -> None:
    environment = started()
    before = environment.step("look")
    observation, reward, terminated, truncated, info = environment.step(action)
    assert (observation, reward, terminated, truncated) == ("Nothing happens.", 0.0, False, False)
    assert info == before[-1]


def test_a_snapshot_goes_its_own_way() -> None:
    environment = started()
    actions = [step.action for step in BENCHMARK.demonstration(TASK)]
    environment.step(actions[0])
    twin = environment.snapshot()
    answers = [twin.step(action) for action in actions[1:]]
    assert answers[-1][2]
    assert [environment.step(action) for action in actions[1:]] == answers


def test_a_snapshot_draws_its_own_tasks() -> None:
    environment = BENCHMARK.environment()
    environment.reset(seed=3)
    twin = environment.snapshot()
    assert [environment.reset()[1]["task_id"] for _ in range(5)] == [
        twin.reset()[1]["task_id"] for _ in range(5)
    ]


def test_a_seed_draws_the_task() -> None:
    drawn = [BENCHMARK.environment().reset(seed=seed)[1]["task_id"] for seed in (5, 5, 6, 7, 8)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert all(task_id.startswith("train/") for task_id in drawn)


def test_step_before_reset_is_refused() -> None:
    with pytest.raises(EpisodeError, match="reset"):
        BENCHMARK.environment().step("look")


def test_environments_share_the_compiled_game() -> None:
    first, second = started(), started()
    assert first._started is not None and second._started is not None
    assert first._started.playthrough.game is second._started.playthrough.game  # type: ignore[attr-defined]


def test_a_thousand_environments_do_not_disturb_each_other() -> None:
    environments = [started() for _ in range(1000)]
    action = BENCHMARK.demonstration(TASK)[0].action
    for environment in environments[::2]:
        environment.step(action)
    answers = {environment.step("look")[0] for environment in environments[::2]}
    others = {environment.step("look")[0] for environment in environments[1::2]}
    assert len(answers) == len(others) == 1
    assert answers != others
    assert sys.getrefcount(BENCHMARK.game(TASK.id)) > 1000
