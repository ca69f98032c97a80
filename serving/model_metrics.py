"""Metrics of a model server for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.adapters.slot import AdapterSlot
from serving.engine import Engine


class ModelMetrics(Collector):
    """Numbers of tokens and the adapter version of a model server, read when Prometheus asks."""

    def __init__(self, engine: Engine, slot: AdapterSlot) -> None:
        self._engine, self._slot = engine, slot

    def collect(self) -> Iterable[Metric]:
        counters = self._engine.counters
        tokens = CounterMetricFamily("hiper_tokens", "Tokens since the start.", labels=("kind",))
        tokens.add_metric(("generated",), counters.generated_tokens)
        tokens.add_metric(("prompt",), counters.prompt_tokens)
        tokens.add_metric(("shared_prompt",), counters.shared_prompt_tokens)
        yield tokens
        yield GaugeMetricFamily(
            "hiper_adapter_version", "Served adapter version; -1: base model.", self._slot.state.version
        )
