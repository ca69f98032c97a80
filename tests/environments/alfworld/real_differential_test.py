"""Our engine against stock TextWorld on released games of all six types: every answer, every character."""

from __future__ import annotations

from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.differential import compare, spread
from environments.alfworld.sources import open_source
from environments.alfworld.stock import StockEngine
from environments.alfworld.task_types import TaskType
from tests.shared_data import shared


def test_twelve_released_games_are_played_alike() -> None:
    source = open_source(shared("alfworld"))
    benchmark = AlfworldBenchmark(source)
    engine = StockEngine(source, benchmark.task)
    tasks = spread(benchmark, 12, seed=1)
    assert {task.type for task in tasks} == set(TaskType)
    answers = 0
    for task in tasks:
        stock = engine.start(task.id).playthrough
        for difference in compare(task.id, benchmark.game(task.id), stock, steps=25, seed=1):
            assert difference is None, str(difference)
            answers += 1
    engine.close()
    assert answers > 150
