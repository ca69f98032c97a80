"""Names of an update's metrics: those of verl where the meaning is the same."""

from __future__ import annotations

from collections.abc import Mapping

from hae import Advantages


def placed(metrics: Mapping[str, float], part: str, timing: str) -> dict[str, float]:
    """Adds the prefix `part` to the metrics of a part of the update; its seconds become `timing_s/TIMING`."""
    return {
        f"timing_s/{timing}" if name == "seconds" else f"{part}/{name}": value
        for name, value in metrics.items()
    }


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
            metrics[f"hae/advantage_{level}/mean"] = float(values.mean())
            metrics[f"hae/advantage_{level}/std"] = float(values.std())
    return metrics


def throughput_metrics(metrics: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Tokens of prompts and answers per second of the update, and the share that shared prefixes saved."""
    given = sum(value for name, value in metrics.items() if name.endswith("/sequence_tokens"))
    computed = sum(value for name, value in metrics.items() if name.endswith("/computed_tokens"))
    return {
        "perf/update_tokens_per_second": given / seconds,
        "perf/shared_tokens_share": 1 - computed / given if given else 0.0,
    }
