"""The Grafana dashboard names only metrics, labels and methods that the servers have."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hiper.v1 import adapter_pb2, episode_pb2, executor_pb2, learner_pb2, planner_pb2, pool_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from serving.model_metrics import ModelMetrics
from serving.rpc.call_metrics import CallMetrics

BOARD = json.loads(Path("deploy/grafana/dashboard.json").read_text(encoding="utf-8"))
PANELS = BOARD["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
ADDED_BY_PROMETHEUS = {"job", "instance"}
FILES = (adapter_pb2, episode_pb2, executor_pb2, learner_pb2, planner_pb2, pool_pb2)


def samples() -> list[Sample]:
    """What a model server offers to Prometheus once it was called."""
    registry = CollectorRegistry()
    calls = CallMetrics(registry)
    calls._calls.labels("/method", "OK").inc()
    calls._seconds.labels("/method").observe(1.0)
    calls._running.labels("/method").inc()
    counters = SimpleNamespace(generated_tokens=1, prompt_tokens=2, shared_prompt_tokens=3)
    slot = SimpleNamespace(state=SimpleNamespace(version=4))
    registry.register(ModelMetrics(cast(Any, SimpleNamespace(counters=counters)), cast(Any, slot)))
    return [sample for metric in registry.collect() for sample in metric.samples]


def served() -> dict[str, set[str]]:
    """Labels of each metric."""
    return {sample.name: set(sample.labels) for sample in samples()}


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_every_metric_and_label_exists(title: str, query: str) -> None:
    metrics = served()
    names = re.findall(r"hiper_\w+", query)
    assert names and set(names) <= metrics.keys(), title
    labels = set(re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', query))
    labels.update(*(group.split(", ") for group in re.findall(r"by \(([^)]*)\)", query)))
    allowed = ADDED_BY_PROMETHEUS.union(*(metrics[name] for name in names))
    assert labels <= allowed, title


def test_every_metric_is_shown() -> None:
    named = set(re.findall(r"hiper_\w+", " ".join(query for _, query in QUERIES)))
    left_out = ("_created", "_sum", "_count")
    assert {name for name in served() if not name.endswith(left_out)} == named


def test_methods_and_kinds_are_those_of_the_servers() -> None:
    text = " ".join(query for _, query in QUERIES)
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    methods = {f"/{service.full_name}/{name}" for service in services for name in service.methods_by_name}
    assert set(re.findall(r'method="([^"]+)"', text)) <= methods
    asked = {kind for each in re.findall(r'kind=~?"([^"]+)"', text) for kind in each.split("|")}
    assert asked == {one.labels["kind"] for one in samples() if "kind" in one.labels}


def test_legends_use_labels_that_the_query_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            kept |= ADDED_BY_PROMETHEUS
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, panel["title"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
