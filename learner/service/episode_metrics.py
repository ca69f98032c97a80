"""Computes the metrics of the episodes that an update trains on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from run_folder import metric_names as names
from trajectory.episode import Decision, Episode, Turn


def episode_metrics(episodes: Sequence[Episode], update: int) -> dict[str, float]:
    """Metrics of the episodes that an update trains on.

    Args:
        episodes: At least one, each with at least one turn.
        update: Adapter version before the update; staleness is the number of versions since.
    """
    turns = [turn for episode in episodes for turn in episode.turns]
    generations = [g for turn in turns for g in (turn.plan.generation, turn.act.generation)]
    engine = sum(generation.engine_seconds for generation in generations)
    environment = sum(turn.environment_seconds for turn in turns)
    whole = sum(turn.seconds for turn in turns)
    return (
        _by_environment(episodes)
        | _time_shares(episodes, engine, environment, whole)
        | {
            names.EPISODE_COUNT: len(episodes),
            names.SUCCESS_RATE: _mean(episode.won for episode in episodes),
            names.SCORE_MEAN: _mean(episode.score for episode in episodes),
            names.EPISODE_LENGTH: _mean(len(episode.turns) for episode in episodes),
            names.EPISODE_SWITCHES: _mean(_switches(episode.turns) for episode in episodes),
            names.TRUNCATED_SHARE: _mean(episode.truncated for episode in episodes),
            names.EPISODE_SECONDS: _mean(episode.seconds for episode in episodes),
            names.TURN_COUNT: len(turns),
            names.PLAN_VALID_SHARE: _mean(turn.plan.valid for turn in turns),
            names.ACTION_VALID_SHARE: _mean(turn.act.valid for turn in turns),
            names.TURN_SECONDS: whole / len(turns),
            names.TURN_RPC_SHARE: max(whole - engine - environment, 0.0) / whole if whole else 0.0,
            names.PROMPT_TOKENS: sum(len(generation.prompt_ids) for generation in generations),
            names.GENERATED_TOKENS: sum(len(generation.token_ids) for generation in generations),
            names.PLAN_TOKENS: _mean(len(turn.plan.generation.token_ids) for turn in turns),
            names.ACT_TOKENS: _mean(len(turn.act.generation.token_ids) for turn in turns),
            names.STALENESS_MEAN: _mean(update - g.adapter_version for g in generations),
            names.STALENESS_MAX: max(update - g.adapter_version for g in generations),
        }
    )


def _by_environment(episodes: Sequence[Episode]) -> dict[str, float]:
    """Some metrics of each environment; empty if there is only one."""
    found = sorted({episode.benchmark for episode in episodes})
    if len(found) < 2:
        return {}
    line: dict[str, float] = {}
    for name in found:
        own = [episode for episode in episodes if episode.benchmark == name]
        values = {
            names.EPISODE_COUNT: float(len(own)),
            names.SUCCESS_RATE: _mean(episode.won for episode in own),
            names.SCORE_MEAN: _mean(episode.score for episode in own),
            names.EPISODE_LENGTH: _mean(len(episode.turns) for episode in own),
            names.ACTION_VALID_SHARE: _mean(turn.act.valid for episode in own for turn in episode.turns),
        }
        line |= {names.of_environment(metric, name): values[metric] for metric in names.OF_ENVIRONMENT}
    return line


def _time_shares(
    episodes: Sequence[Episode], engine: float, environment: float, turns: float
) -> dict[str, float]:
    """The shares of the episodes' time in engines, environments and RPC; they add up to 1.

    Args:
        episodes: Episodes whose seconds include the environment's reset, which counts as environment.
        engine: Seconds in both engines, including the wait for a place in a batch.
        environment: Seconds in `step`.
        turns: Seconds of all turns.
    """
    resets = max(sum(episode.seconds for episode in episodes) - turns, 0.0)
    rpc = max(turns - engine - environment, 0.0)
    whole = engine + environment + resets + rpc
    if not whole:
        return {}
    return {
        names.ENGINE_SHARE: engine / whole,
        names.ENVIRONMENT_SHARE: (environment + resets) / whole,
        names.RPC_SHARE: rpc / whole,
    }


def _switches(turns: Sequence[Turn]) -> int:
    """The number of subgoals, including the first one of turn 0."""
    return 1 + sum(turn.plan.decision is Decision.SWITCH for turn in turns[1:])


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
