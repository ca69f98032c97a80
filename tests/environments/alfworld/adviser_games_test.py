"""Whoever follows the adviser wins, whatever was done before, and never does the same thing twice."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.environment import GeneratorSettings
from environments.alfworld.compiler import load_game
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game
from environments.alfworld.generator import GeneratedSource
from tests.environments.alfworld.following import advised, after_mistakes, bound


@cache
def source(horizon: str, seed: int) -> GeneratedSource:
    return GeneratedSource(GeneratorSettings(games=6, horizon=horizon, clutter=0.8), seed)


def generated(horizon: str, seed: int, index: int) -> Game:
    games = source(horizon, seed)
    task = games.tasks()[index]
    return load_game(games.read(task.id), task.id)


def state(episode: Episode) -> tuple[object, ...]:
    """Everything in an episode that changes."""
    values = (getattr(episode, name) for name in Episode.__slots__ if name != "game")
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


@settings(deadline=None)
@given(
    horizon=st.sampled_from(("tiny", "short", "medium", "long")),
    seed=st.integers(0, 40),
    index=st.integers(0, 17),
    mistakes=st.integers(0, 60),
    draws=st.integers(0, 10**6),
)
def test_following_the_advice_wins_without_repetition(
    horizon: str, seed: int, index: int, mistakes: int, draws: int
) -> None:
    game = generated(horizon, seed, index)
    episode, observations = after_mistakes(game, mistakes, random.Random(draws))
    turns = set()
    while not episode.won:
        action = advised(episode, observations)
        turn = (state(episode), action)
        assert turn not in turns, (game.goal_text, observations, action)
        turns.add(turn)
        observations.append(episode.act(action))
    assert len(turns) <= bound(game)
