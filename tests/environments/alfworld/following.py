"""Episodes in which anything was done, and then what the adviser says."""

from __future__ import annotations

import random

from environments.alfworld.adviser import advise
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game


def after_mistakes(game: Game, turns: int, draw: random.Random) -> tuple[Episode, list[str]]:
    """An episode after so many random actions, or fewer if they win, and all its observations."""
    episode = Episode(game)
    observations = [episode.introduction()]
    for _ in range(turns):
        if not episode.won:
            observations.append(episode.act(draw.choice(episode.admissible)))
    return episode, observations


def advised(episode: Episode, observations: list[str]) -> str:
    """The action that the adviser recommends; all that it names must be admissible."""
    advice = advise(episode.game.goal_text, observations, episode.admissible)
    assert set(advice.actions) <= set(episode.admissible), (observations, advice)
    return advice.actions[0]


def bound(game: Game) -> int:
    """Turns within which the adviser wins.

    Each place may be walked to and opened twice: to get rid of what is held, and in the search.
    """
    return 4 * len(game.receptacles) + 12
