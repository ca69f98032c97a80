"""Our engine against stock TextWorld, on generated games that stock TextWorld loads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.differential import compare, spread
from environments.alfworld.environment import AlfworldEnvironment
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.stock import StockEngine
from environments.alfworld.task_types import TaskType
from environments.benchmark import Task
from environments.errors import BenchmarkError

SOURCE = GeneratedSource(GeneratorSettings(games=6, horizon="short"), seed=8)
NATIVE = AlfworldBenchmark(SOURCE)
STOCK = AlfworldBenchmark(SOURCE, backend="textworld")
EACH_TYPE = spread(NATIVE, 6, seed=0)


@pytest.fixture(scope="module")
def environment() -> Iterator[AlfworldEnvironment]:
    environment = STOCK.environment()
    yield environment
    environment.close()


@pytest.mark.parametrize("task", EACH_TYPE, ids=lambda task: task.type)
def test_walkthroughs_win_on_both_with_the_same_answers(environment: AlfworldEnvironment, task: Task) -> None:
    ours = NATIVE.environment()
    assert environment.reset(options={"task": task.id}) == ours.reset(options={"task": task.id})
    for step in NATIVE.demonstration(task):
        answer = ours.step(step.action)
        assert environment.step(step.action) == answer
    assert answer[2]


def test_random_and_junk_actions_are_answered_alike() -> None:
    assert {task.type for task in EACH_TYPE} == set(TaskType)
    engine = StockEngine(SOURCE, STOCK.task)
    for task in EACH_TYPE[:2]:
        stock = engine.start(task.id).playthrough
        assert [
            each for each in compare(task.id, NATIVE.game(task.id), stock, steps=20, seed=3) if each
        ] == []


def test_texts_that_no_walkthrough_shows(environment: AlfworldEnvironment) -> None:
    ours = NATIVE.environment()
    for each in (environment, ours):
        each.reset(options={"task": EACH_TYPE[0].id})
    for action in ("help", "inventory", "look", " look ", "Look", "examine nothing 1", "x" * 100_000):
        assert environment.step(action) == ours.step(action)


def test_stock_snapshots_go_their_own_way(environment: AlfworldEnvironment) -> None:
    task = EACH_TYPE[0]
    first, *_ = (step.action for step in NATIVE.demonstration(task))
    environment.reset(options={"task": task.id})
    environment.step(first)
    twin = environment.snapshot()
    assert twin.step("look") == environment.step("look")
    twin.reset(options={"task": EACH_TYPE[1].id})
    assert environment.step("inventory")[4]["task_id"] == task.id


def test_one_stock_engine_plays_one_episode_at_a_time() -> None:
    engine = StockEngine(SOURCE, STOCK.task)
    before = engine.start(EACH_TYPE[0].id).playthrough
    engine.start(EACH_TYPE[0].id)
    with pytest.raises(BenchmarkError, match="one episode at a time"):
        before.act("look")
    engine.close()


def test_textworld_leaves_the_process_as_it_found_it(environment: AlfworldEnvironment) -> None:
    arguments, data, out = list(sys.argv), os.environ.get("ALFWORLD_DATA"), sys.stdout
    environment.reset(options={"task": EACH_TYPE[0].id})
    assert (sys.argv, os.environ.get("ALFWORLD_DATA"), sys.stdout) == (arguments, data, out)
