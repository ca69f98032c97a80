"""A second implementation of HAE's equations, turn by turn, to compare the library with. Slow on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
    """The episodes of a batch, which must have all three values."""
    finals = [batch.final_value_low, batch.final_value_high]
    episodes = []
    for e in range(batch.episodes):
        turns = slice(int(batch.episode_offsets[e]), int(batch.episode_offsets[e + 1]))
        valid = batch.action_valid
        columns = [batch.reward, batch.switch, batch.value_low, batch.value_high, batch.value_switch]
        cut = [column[turns].tolist() if as_lists else column[turns] for column in columns]
        length = turns.stop - turns.start
        cut_valid = [True] * length if valid is None else valid[turns]
        reward, switch, low, high, decision = cut
        final_low, final_high = (0.0 if final is None else float(final[e]) for final in finals)
        episodes.append(
            LiteralEpisode(
                reward, switch, bool(batch.terminated[e]), low, high, decision,
                cut_valid.tolist() if as_lists and valid is not None else cut_valid,
                final_low, final_high,
            )
        )  # fmt: skip
    return episodes


def literal_hae(episodes: Sequence[LiteralEpisode], settings: EstimatorSettings) -> LiteralResult:
    """Advantages and targets of all levels, for all episodes."""
    result = LiteralResult()
    for episode in episodes:
        _episode(episode, settings, result)
    return result


def literal_rewards(episode: LiteralEpisode, settings: EstimatorSettings) -> list[float]:
    turns = len(episode.reward)
    keeps = sum(1 for q in episode.switch if not q)
    penalty = settings.keep_penalty
    shaped = []
    for t in range(turns):
        r = episode.reward[t]
        if not episode.switch[t]:
            if penalty.mode == "fixed":
                r += penalty.value
            elif penalty.mode == "normalized" and turns > 1:
                r += penalty.value * (keeps / turns) / keeps
        if not episode.action_valid[t]:
            r -= settings.invalid_action_penalty
        shaped.append(r)
    return shaped


def _bootstraps(episode: LiteralEpisode, settings: EstimatorSettings, last_start: int) -> tuple[float, float]:
    if episode.terminated or settings.bootstrap == "none":
        return 0.0, 0.0
    if settings.bootstrap == "last":
        return episode.value_low[-1], episode.value_high[last_start]
    return episode.final_value_low, episode.final_value_high


def _episode(episode: LiteralEpisode, settings: EstimatorSettings, result: LiteralResult) -> None:
    gamma, turns = settings.gamma, len(episode.reward)
    reward = literal_rewards(episode, settings)
    starts = [t for t in range(turns) if t == 0 or episode.switch[t]]
    ends = [start - 1 for start in starts[1:]] + [turns - 1]
    boot_low, boot_high = _bootstraps(episode, settings, starts[-1])
    low, switch, returns = [0.0] * turns, [0.0] * turns, [0.0] * turns
    high, target_high = [0.0] * turns, [0.0] * turns
    later = 0.0
    for k in range(len(starts) - 1, -1, -1):
        begin, end = starts[k], ends[k]
        another = k + 1 < len(starts)
        after_low = episode.value_high[starts[k + 1]] if another else boot_low
        after_high = episode.value_high[starts[k + 1]] if another else boot_high
        a_low, g, segment_reward = 0.0, after_high, 0.0
        for t in range(end, begin - 1, -1):
            next_value = episode.value_low[t + 1] if t < end else after_low
            delta = reward[t] + gamma * next_value - episode.value_low[t]
            a_low = delta + gamma * settings.lambda_turn * a_low
            g = reward[t] + gamma * g
            segment_reward = reward[t] + gamma * segment_reward
            low[t], returns[t] = a_low, g
            switch[t] = g - episode.value_switch[t]
        d = end - begin + 1
        delta_k = segment_reward + gamma**d * after_high - episode.value_high[begin]
        later = delta_k + gamma**d * settings.lambda_segment * later
        high[begin] = later
        target_high[begin] = later + episode.value_high[begin]
    result.low += low
    result.high += high
    result.switch += switch
    result.target_low += [a + v for a, v in zip(low, episode.value_low, strict=True)]
    result.target_high += target_high
    result.target_switch += returns
