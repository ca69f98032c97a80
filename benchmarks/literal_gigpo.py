"""A second implementation of group-in-group advantages (GiGPO), turn by turn. Slow on purpose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from benchmarks.literal import LiteralEpisode, literal_rewards
from hae import EstimatorSettings


def literal_gigpo(
    episodes: Sequence[LiteralEpisode],
    group: Sequence[Any],
    state: Sequence[Any],
    settings: EstimatorSettings,
) -> list[float]:
    """[T] advantage of each turn; `group` has an entry for each episode, `state` for each turn."""
    rewards = [literal_rewards(episode, settings) for episode in episodes]
    scores: dict[Any, list[float]] = defaultdict(list)
    for name, reward in zip(group, rewards, strict=True):
        scores[name].append(sum(reward))

    returns: list[tuple[int, Any, float]] = []
    compared: dict[Any, list[float]] = defaultdict(list)
    states = iter(state)
    for e, reward in enumerate(rewards):
        for t in range(len(reward)):
            ahead = sum(settings.step_gamma**i * r for i, r in enumerate(reward[t:]))
            place = (group[e], next(states))
            returns.append((e, place, ahead))
            compared[place].append(ahead)
    return [
        _relative(sum(rewards[e]), scores[group[e]], settings)
        + settings.step_weight * _relative(ahead, compared[place], settings)
        for e, place, ahead in returns
    ]


def _relative(score: float, others: list[float], settings: EstimatorSettings) -> float:
    if len(others) == 1:
        return 0.0
    deviation = stdev(others) + 1e-6 if settings.group_scale == "std" else 1.0
    return (score - fmean(others)) / deviation
