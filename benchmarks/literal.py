"""A second implementation of HAE's equations, turn by turn, to compare the library with. Slow on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hae import EstimatorSettings, TurnBatch


@dataclass
class LiteralEpisode:
    """The inputs of an episode, turn by turn: floats and booleans in lists or arrays."""

    reward: Sequence[float]
    switch: Sequence[bool]
    terminated: bool
    value_low: Sequence[float]
    value_high: Sequence[float]
    value_switch: Sequence[float]
    action_valid: Sequence[bool]
    final_value_low: float = 0.0
    final_value_high: float = 0.0
    final_value_switch: float = 0.0


@dataclass
class LiteralResult:
    """Advantages and targets, not normalised; those of the high level are 0 except at segment starts."""

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    switch: list[float] = field(default_factory=list)
    target_low: list[float] = field(default_factory=list)
    target_high: list[float] = field(default_factory=list)
    target_switch: list[float] = field(default_factory=list)


def episodes_of(batch: TurnBatch, *, as_lists: bool = True) -> list[LiteralEpisode]:
    """The episodes of a batch; values that it lacks are 0, and actions without a mark are valid."""
    missing = {
        "value_switch": np.zeros(batch.turns),
        "action_valid": np.ones(batch.turns, dtype=np.bool_),
        **dict.fromkeys(_FINALS, np.zeros(batch.episodes)),
    }
    column = {
        name: missing[name] if getattr(batch, name) is None else getattr(batch, name)
        for name in (*_COLUMNS, *_FINALS)
    }
    episodes = []
    for e in range(batch.episodes):
        turns = slice(int(batch.episode_offsets[e]), int(batch.episode_offsets[e + 1]))
        cut: dict[str, Any] = {name: column[name][turns] for name in _COLUMNS}
        if as_lists:
            cut = {name: array.tolist() for name, array in cut.items()}
        finals: dict[str, Any] = {name: float(column[name][e]) for name in _FINALS}
        episodes.append(LiteralEpisode(terminated=bool(batch.terminated[e]), **cut, **finals))
    return episodes


_COLUMNS = ("reward", "switch", "value_low", "value_high", "value_switch", "action_valid")
_FINALS = ("final_value_low", "final_value_high", "final_value_switch")


def literal_hae(episodes: Sequence[LiteralEpisode], settings: EstimatorSettings) -> LiteralResult:
    """Advantages and targets of all levels, for all episodes."""
    result = LiteralResult()
    for episode in episodes:
        _episode(episode, settings, result)
    return result


def literal_rewards(episode: LiteralEpisode, settings: EstimatorSettings) -> list[float]:
    keep, action = literal_keep_penalties(episode, settings), literal_action_rewards(episode, settings)
    return [r + p for r, p in zip(action, keep, strict=True)]


def literal_action_rewards(episode: LiteralEpisode, settings: EstimatorSettings) -> list[float]:
    turns = zip(episode.reward, episode.action_valid, strict=True)
    return [r if valid else r - settings.invalid_action_penalty for r, valid in turns]


def literal_keep_penalties(episode: LiteralEpisode, settings: EstimatorSettings) -> list[float]:
    turns = len(episode.reward)
    keeps = sum(1 for q in episode.switch if not q)
    penalty, each = settings.keep_penalty, 0.0
    if penalty.mode == "fixed":
        each = penalty.value
    elif penalty.mode == "normalized" and turns > 1 and keeps:
        each = penalty.value * (keeps / turns) / keeps
    return [0.0 if q else each for q in episode.switch]


def _bootstraps(episode: LiteralEpisode, settings: EstimatorSettings, last_start: int) -> tuple[float, float]:
    if episode.terminated or settings.bootstrap == "none":
        return 0.0, 0.0
    if settings.bootstrap == "last":
        return episode.value_low[-1], episode.value_high[last_start]
    return episode.final_value_low, episode.final_value_high


def _episode(episode: LiteralEpisode, settings: EstimatorSettings, result: LiteralResult) -> None:
    lambdas = (settings.lambda_turn, settings.lambda_segment, settings.lambda_boundary)
    low, high, returns = _levels(episode, settings, *lambdas)
    result.low += low
    result.high += high
    result.switch += [g - v for g, v in zip(returns, episode.value_switch, strict=True)]
    if settings.lambda_target is not None:
        low, high, returns = _levels(episode, settings, *[settings.lambda_target] * 3)
    starts = [t == 0 or q for t, q in enumerate(episode.switch)]
    values = zip(high, episode.value_high, starts, strict=True)
    result.target_low += [a + v for a, v in zip(low, episode.value_low, strict=True)]
    result.target_high += [a + v if start else 0.0 for a, v, start in values]
    result.target_switch += returns


def _levels(
    episode: LiteralEpisode,
    settings: EstimatorSettings,
    lambda_turn: float,
    lambda_segment: float,
    lambda_boundary: float,
) -> tuple[list[float], list[float], list[float]]:
    """Advantages of the actions and of the subgoals, and the returns of the decisions."""
    gamma, turns = settings.gamma, len(episode.reward)
    reward = literal_rewards(episode, settings)
    starts = [t for t in range(turns) if t == 0 or episode.switch[t]]
    ends = [start - 1 for start in starts[1:]] + [turns - 1]
    boot_low, boot_high = _bootstraps(episode, settings, starts[-1])
    low, high, returns = [0.0] * turns, [0.0] * turns, [0.0] * turns
    later = 0.0
    for k in range(len(starts) - 1, -1, -1):
        begin, end = starts[k], ends[k]
        another = k + 1 < len(starts)
        after_high = episode.value_high[starts[k + 1]] if another else boot_high
        after_low = after_high + lambda_boundary * later if another else boot_low
        a_low, g = 0.0, after_high + lambda_boundary * later if another else boot_high
        segment_reward = 0.0
        for t in range(end, begin - 1, -1):
            next_value = episode.value_low[t + 1] if t < end else after_low
            delta = reward[t] + gamma * next_value - episode.value_low[t]
            a_low = delta + gamma * lambda_turn * a_low
            g = reward[t] + gamma * g
            segment_reward = reward[t] + gamma * segment_reward
            low[t], returns[t] = a_low, g
        d = end - begin + 1
        delta_k = segment_reward + gamma**d * after_high - episode.value_high[begin]
        later = delta_k + gamma**d * lambda_segment * later
        high[begin] = later
    return low, high, returns
