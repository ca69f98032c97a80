"""What a batch of episodes says of itself, under verl's metric names where the meaning is the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.intervals import normal
from trajectory.episode import Decision, Episode, Turn


def episode_metrics(episodes: Sequence[Episode], update: int) -> dict[str, float]:
    """Metrics of the episodes that an update trains on.

    Args:
        episodes: At least one, each with at least one turn.
        update: Adapter version before the update, from which staleness is counted.
    """
    turns = [turn for episode in episodes for turn in episode.turns]
    generations = [g for turn in turns for g in (turn.plan.generation, turn.act.generation)]
    engine = sum(generation.engine_seconds for generation in generations)
    environment = sum(turn.environment_seconds for turn in turns)
    whole = sum(turn.seconds for turn in turns)
    score = normal([episode.score for episode in episodes])
    return _time_shares(episodes, engine, environment, whole) | {
        "episode/count": len(episodes),
        "episode/success_rate": _mean(episode.won for episode in episodes),
        "episode/score/mean": score.mean,
        "episode/score/half_interval": score.half,
        "episode/length/mean": _mean(len(episode.turns) for episode in episodes),
        "episode/switches/mean": _mean(_switches(episode.turns) for episode in episodes),
        "episode/truncated_share": _mean(episode.truncated for episode in episodes),
        "episode/seconds/mean": _mean(episode.seconds for episode in episodes),
        "turn/count": len(turns),
        "turn/plan_valid_share": _mean(turn.plan.valid for turn in turns),
        "turn/action_valid_share": _mean(turn.act.valid for turn in turns),
        "turn/seconds/mean": whole / len(turns),
        "perf/rpc_share": max(whole - engine - environment, 0.0) / whole if whole else 0.0,
        "tokens/prompt": sum(len(generation.prompt_ids) for generation in generations),
        "tokens/generated": sum(len(generation.token_ids) for generation in generations),
        "tokens/plan/mean": _mean(len(turn.plan.generation.token_ids) for turn in turns),
        "tokens/act/mean": _mean(len(turn.act.generation.token_ids) for turn in turns),
        "staleness/versions/mean": _mean(update - g.adapter_version for g in generations),
        "staleness/versions/max": max(update - g.adapter_version for g in generations),
    }


def _time_shares(
    episodes: Sequence[Episode], engine: float, environment: float, turns: float
) -> dict[str, float]:
    """Where the time of the episodes went; the three add up to 1.

    Args:
        episodes: Their seconds begin before the environment's reset, which counts as environment.
        engine: Seconds in both engines, waiting for a place in a batch included.
        environment: Seconds in `step`.
        turns: Seconds of all turns.
    """
    resets = max(sum(episode.seconds for episode in episodes) - turns, 0.0)
    rpc = max(turns - engine - environment, 0.0)
    whole = engine + environment + resets + rpc
    if not whole:
        return {}
    return {
        "episode/engine_share": engine / whole,
        "episode/environment_share": (environment + resets) / whole,
        "episode/rpc_share": rpc / whole,
    }


def _switches(turns: Sequence[Turn]) -> int:
    """Subgoals that were begun, the given one of turn 0 included."""
    return 1 + sum(turn.plan.decision is Decision.SWITCH for turn in turns[1:])


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
