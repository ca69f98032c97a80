"""A second implementation of decision-level GAE: plain GAE over an explicit chain of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.literal import (
    LiteralEpisode,
    LiteralResult,
    literal_action_rewards,
    literal_keep_penalties,
)
from hae import EstimatorSettings


@dataclass
class Step:
    """A decision of an episode."""

    level: str
    turn: int
    value: float
    """Value before the decision."""
    reward: float
    """Reward between this decision and the next one."""
    discount: float
    """Discount of everything after the reward."""


def literal_dgae(
    episodes: Sequence[LiteralEpisode], settings: EstimatorSettings, *, two_heads: bool = False
) -> LiteralResult:
    """Advantages and targets of all levels; with two heads, `switch` and its targets are empty."""
    result = LiteralResult()
    for episode in episodes:
        _episode(episode, settings, two_heads, result)
    return result


def chain(episode: LiteralEpisode, settings: EstimatorSettings, two_heads: bool) -> list[Step]:
    """The decisions of an episode in the order in which they are made.

    Turn 0 has no switch decision. With two heads, the penalty of a KEEP belongs to the action before it.
    """
    reward, keep = literal_action_rewards(episode, settings), literal_keep_penalties(episode, settings)
    steps = []
    for t in range(len(reward)):
        starts = t == 0 or episode.switch[t]
        if t > 0 and not two_heads:
            steps.append(Step("switch", t, episode.value_switch[t], keep[t], 1.0))
        elif t > 0:
            steps[-1].reward += settings.gamma * keep[t]
        if starts:
            steps.append(Step("high", t, episode.value_high[t], 0.0, 1.0))
        steps.append(Step("low", t, episode.value_low[t], reward[t], settings.gamma))
    return steps


def _after(episode: LiteralEpisode, settings: EstimatorSettings, two_heads: bool) -> float:
    if episode.terminated or settings.bootstrap == "none":
        return 0.0
    if settings.bootstrap == "final":
        return episode.final_value_low if two_heads else episode.final_value_switch
    if len(episode.reward) == 1 or (two_heads and episode.switch[-1]):
        return episode.value_high[-1]
    if two_heads:
        return episode.value_low[-1] + literal_keep_penalties(episode, settings)[-1]
    return episode.value_switch[-1]


def _advantages(steps: list[Step], after: float, lam: float) -> list[float]:
    advantages = []
    next_value, later = after, 0.0
    for step in reversed(steps):
        later = step.reward + step.discount * (next_value + lam * later) - step.value
        next_value = step.value
        advantages.append(later)
    return advantages[::-1]


def _episode(
    episode: LiteralEpisode, settings: EstimatorSettings, two_heads: bool, result: LiteralResult
) -> None:
    steps, after = chain(episode, settings, two_heads), _after(episode, settings, two_heads)
    lam, target_lam = settings.lambda_decision, settings.lambda_target
    own = _advantages(steps, after, lam)
    target = own if target_lam is None else _advantages(steps, after, target_lam)
    turns = len(episode.reward)
    found = {name: [0.0] * turns for name in ("low", "high", "switch")}
    aims = {name: [0.0] * turns for name in found}
    for step, advantage, other in zip(steps, own, target, strict=True):
        found[step.level][step.turn] = advantage
        aims[step.level][step.turn] = other + step.value
    found["switch"][0] = literal_keep_penalties(episode, settings)[0]
    aims["switch"][0] = found["switch"][0] + aims["high"][0]
    for level in ("low", "high") if two_heads else ("low", "high", "switch"):
        getattr(result, level).extend(found[level])
        getattr(result, f"target_{level}").extend(aims[level])
