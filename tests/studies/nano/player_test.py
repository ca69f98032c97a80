"""Players that follow the adviser more or less."""

from __future__ import annotations

from environments.evaluation import evaluate
from studies.nano.player import ErringBenchmark, ErringPlayer, Errors
from tests.studies.nano.worlds import ERRING, benchmark


def test_without_errors_every_task_type_is_won_within_twenty_turns() -> None:
    games = benchmark(36)
    outcomes = evaluate(games, ErringPlayer(Errors(), seed=0), "valid_unseen")
    assert len({outcome.task.type for outcome in outcomes}) == 6
    assert all(outcome.won for outcome in outcomes)


def test_errors_cost_games() -> None:
    games = benchmark(36)
    hopeless = ErringPlayer(Errors(action=1.0), seed=0)
    assert sum(outcome.won for outcome in evaluate(games, hopeless, "train")) < 12


def test_a_demonstration_is_the_same_each_time_and_ends_its_episode() -> None:
    games = benchmark(6)
    player = ErringBenchmark(games, ERRING, seed=1)
    environment = games.environment()
    for task in games.tasks("train"):
        steps = player.demonstration(task)
        assert steps == player.demonstration(task)
        environment.reset(seed=0, options={"task": task.id})
        ends = [any(environment.step(step.action)[2:4]) for step in steps]
        assert ends == [False] * (len(steps) - 1) + [True]
