"""TextArena's single-player games; needs the package textarena, which the default set-up does not install."""

from __future__ import annotations

import random

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark
from environments.contract import check
from environments.errors import BrokenEnvironmentError, UnknownEnvironmentError
from environments.registry import load
from tests.extras import need

GAMES = ("FrozenLake-v0", "Sokoban-v0", "TowerOfHanoi-v0", "GuessTheNumber-v0")
HANOI = ("A C", "A B", "C B", "A C", "B A", "B C", "A C")
"""The shortest solution with three disks."""


@pytest.fixture(autouse=True)
def installed() -> None:
    need("textarena", "textarena")


def game(name: str) -> Benchmark:
    return load(
        EnvironmentSettings(name=f"textarena:{name}", step_limit=30, generator=GeneratorSettings(games=4))
    )


@pytest.mark.parametrize("name", GAMES)
def test_a_game_keeps_the_contract(name: str) -> None:
    assert [result for result in check(game(name), 30) if result.problems] == []


def test_a_game_is_won_by_its_solution() -> None:
    benchmark = game("TowerOfHanoi-v0")
    environment = benchmark.environment()
    environment.reset(options={"task": benchmark.tasks("train")[0].id})
    *turns, last = [environment.step(move) for move in HANOI]
    assert not any(turn[2] for turn in turns)
    assert (last[1], last[2], last[4]["won"], last[4]["score"]) == (1.0, True, True, 1.0)
    assert "Congratulations" in last[0]


def test_games_that_are_played_at_once_do_not_change_each_other() -> None:
    benchmark = game("Sokoban-v0")
    first, second = benchmark.tasks("train")[:2]
    alone = benchmark.environment().reset(options={"task": first.id})
    before = random.getstate()
    together = benchmark.environment(), benchmark.environment()
    together[1].reset(options={"task": second.id})
    assert together[0].reset(options={"task": first.id}) == alone
    assert random.getstate() == before, "the process's own random numbers are left alone"


def test_what_cannot_be_played_is_said() -> None:
    with pytest.raises(UnknownEnvironmentError, match="Did you mean FrozenLake-v0"):
        game("FrozenLakes-v0")
    with pytest.raises(BrokenEnvironmentError, match="more than one player"):
        game("TicTacToe-v0")
