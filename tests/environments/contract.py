"""What every environment promises, checked on any benchmark."""

from __future__ import annotations

import pytest

from environments.benchmark import Benchmark, TextEnvironment
from environments.errors import (
    ActionTypeError,
    EpisodeError,
    UnknownPolicyError,
    UnknownSplitError,
    UnknownTaskError,
)

FIELDS = {"admissible_actions", "goal", "task_id", "task_type", "won", "score"}


def check(benchmark: Benchmark, step_limit: int) -> None:
    """Runs every check; `step_limit` is what the benchmark was loaded with."""
    check_tasks(benchmark)
    check_demonstrations(benchmark)
    check_any_text_is_answered(benchmark)
    check_step_limit(benchmark, step_limit)
    check_nothing_follows_the_end(benchmark, step_limit)
    check_snapshots(benchmark)
    check_players(benchmark)
    check_unknown_names(benchmark)


def started(benchmark: Benchmark) -> TextEnvironment:
    environment = benchmark.environment()
    environment.reset(options={"task": benchmark.tasks(benchmark.splits[0])[0].id})
    return environment


def check_tasks(benchmark: Benchmark) -> None:
    tasks = [task for split in benchmark.splits for task in benchmark.tasks(split)]
    assert len({task.id for task in tasks}) == len(tasks) > 0
    for split in benchmark.splits:
        assert list(benchmark.tasks(split)) == sorted(benchmark.tasks(split))
        assert {task.split for task in benchmark.tasks(split)} == {split}


def check_demonstrations(benchmark: Benchmark) -> None:
    environment = benchmark.environment()
    for task in benchmark.tasks(benchmark.splits[0])[:5]:
        observation, info = environment.reset(options={"task": task.id})
        assert observation and set(info) == FIELDS
        assert (info["task_id"], info["task_type"], info["won"]) == (task.id, task.type, False)
        terminated = False
        for step in benchmark.demonstration(task):
            assert step.subgoal and not terminated
            _, _, terminated, truncated, info = environment.step(step.action)
            assert not truncated
        assert terminated and 0 <= info["score"] <= 1


def check_any_text_is_answered(benchmark: Benchmark) -> None:
    environment = started(benchmark)
    for action in ("", "\x00\x1b[2J", "x" * (1 << 20), "go to nowhere 1"):
        observation, reward, terminated, _, info = environment.step(action)
        assert isinstance(observation, str) and reward == 0 and not terminated and not info["won"]
    twin = environment.snapshot()
    with pytest.raises(ActionTypeError):
        environment.step(7)  # type: ignore[arg-type]
    assert environment.step("") == twin.step("")


def check_step_limit(benchmark: Benchmark, step_limit: int) -> None:
    environment = started(benchmark)
    ends = [environment.step("dance")[2:4] for _ in range(step_limit)]
    assert ends == [(False, False)] * (step_limit - 1) + [(False, True)]


def check_nothing_follows_the_end(benchmark: Benchmark, step_limit: int) -> None:
    with pytest.raises(EpisodeError):
        benchmark.environment().step("dance")
    task = benchmark.tasks(benchmark.splits[0])[0]
    won, cut = started(benchmark), started(benchmark)
    for step in benchmark.demonstration(task):
        won.step(step.action)
    for _ in range(step_limit):
        cut.step("dance")
    for environment in (won, cut):
        with pytest.raises(EpisodeError, match="the episode is over"):
            environment.step("dance")
        environment.reset(options={"task": task.id})
        environment.step("dance")


def check_snapshots(benchmark: Benchmark) -> None:
    task = benchmark.tasks(benchmark.splits[0])[0]
    first, *others = (step.action for step in benchmark.demonstration(task))
    environment = started(benchmark)
    environment.step(first)
    twin = environment.snapshot()
    answers = [twin.step(action) for action in others]
    assert [environment.step(action) for action in others] == answers


def check_players(benchmark: Benchmark) -> None:
    for name in ("expert", "rule", "random"):
        environment, player = benchmark.environment(), benchmark.policy(name, seed=0)
        observation, info = environment.reset(seed=1)
        player.begin(observation, info)
        over = False
        while not over:
            step = player.act(observation, info)
            assert step.subgoal
            observation, _, terminated, truncated, info = environment.step(step.action)
            assert not (terminated and truncated)
            over = terminated or truncated


def check_unknown_names(benchmark: Benchmark) -> None:
    with pytest.raises(UnknownSplitError):
        benchmark.tasks("no such split")
    with pytest.raises(UnknownPolicyError):
        benchmark.policy("no such player", 0)
    with pytest.raises(UnknownTaskError):
        benchmark.environment().reset(options={"task": "no such task"})
