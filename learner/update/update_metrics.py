"""Names and forms of an update's metrics: verl's where the meaning is the same."""

from __future__ import annotations

from collections.abc import Mapping

from hae import Advantages


def placed(metrics: Mapping[str, float], part: str, timing: str) -> dict[str, float]:
    """Metrics of a part of the update under its name; its seconds go to `timing_s/`."""
    return {
        f"timing_s/{timing}" if name == "seconds" else f"{part}/{name}": value
        for name, value in metrics.items()
    }


def advantage_metrics(advantages: Advantages) -> dict[str, float]:
    """Mean and standard deviation of each level over the turns that it is used at."""
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
    """Tokens of prompts and answers an update learnt from, a second, and the share that packing left out."""
    given = sum(value for name, value in metrics.items() if name.endswith("/sequence_tokens"))
    computed = sum(value for name, value in metrics.items() if name.endswith("/computed_tokens"))
    return {
        "perf/update_tokens_per_second": given / seconds,
        "perf/shared_tokens_share": 1 - computed / given if given else 0.0,
    }
