"""The adviser on the released games, and the placements that it searches by."""

from __future__ import annotations

import random

import pytest

from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.count_placements import count, file_text
from environments.alfworld.episode import Episode
from environments.alfworld.placements import FILE
from environments.alfworld.sources import open_source
from environments.evaluation import evaluate
from tests.environments.alfworld.following import advised, after_mistakes, bound
from tests.shared_data import shared


@pytest.fixture(scope="module")
def released() -> AlfworldBenchmark:
    return AlfworldBenchmark(open_source(shared("alfworld")))


@pytest.mark.parametrize(
    ("split", "games", "most_steps"), [("valid_seen", 140, 7.5), ("valid_unseen", 134, 8.5)]
)
def test_the_adviser_wins_nearly_every_game_and_soon(
    released: AlfworldBenchmark, split: str, games: int, most_steps: float
) -> None:
    outcomes = evaluate(released, released.policy("adviser", 0), split)
    assert len(outcomes) == games
    lost = [outcome.task.id for outcome in outcomes if not outcome.won]
    assert len(lost) <= 0.01 * games, lost
    assert sum(outcome.steps for outcome in outcomes) / games < most_steps


def is_dead_end(episode: Episode) -> bool:
    """Whether what is held can be put nowhere: some objects lie where nobody could have put them."""
    held = episode.held
    return held >= 0 and not any(place.accepts >> held & 1 for place in episode.game.receptacles)


def test_after_mistakes_only_dead_ends_are_lost(released: AlfworldBenchmark) -> None:
    dead_ends = 0
    for task in released.tasks("valid_unseen"):
        episode, observations = after_mistakes(released.game(task.id), 20, random.Random(task.id))
        for _ in range(bound(episode.game)):
            if not episode.won:
                observations.append(episode.act(advised(episode, observations)))
        assert episode.won or is_dead_end(episode), (task.id, observations)
        dead_ends += not episode.won
    assert dead_ends <= 5


def test_the_shipped_placements_are_those_of_the_training_games() -> None:
    games, placements = count(shared("alfworld"))
    assert games == 3553
    assert file_text(placements, games) == FILE.read_text()
