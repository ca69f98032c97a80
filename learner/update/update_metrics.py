"""Combines the measures of an update's parts into its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hae import Advantages
from run_folder import metric_names as names


def placed(measures: Mapping[str, float], name: Callable[[str], str], time: str) -> dict[str, float]:
    """The measures of a part of the update as metrics: `name` gives their names, seconds become `time`."""
    return {time if measure == names.SECONDS else name(measure): value for measure, value in measures.items()}


def advantage_metrics(advantages: Advantages) -> dict[str, float]:
    """Mean and standard deviation of each level's advantages over the turns where they are used."""
    levels = {
        "low": advantages.low,
        "high": advantages.high[advantages.segment_start],
        "switch": advantages.switch,
    }
    metrics = {}
    for level, values in levels.items():
        if values is not None:
            metrics[names.advantage_mean(level)] = float(values.mean())
            metrics[names.advantage_std(level)] = float(values.std())
    return metrics


def throughput_metrics(metrics: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Tokens of prompts and answers per second of the update, and the share that shared prefixes saved."""
    given = sum(metrics.get(name, 0.0) for name in names.of_all_parts(names.SEQUENCE_TOKENS))
    computed = sum(metrics.get(name, 0.0) for name in names.of_all_parts(names.COMPUTED_TOKENS))
    return {
        names.UPDATE_TOKENS_PER_SECOND: given / seconds,
        names.SHARED_TOKENS_SHARE: 1 - computed / given if given else 0.0,
    }
