"""A whole run with `--trace`, and the spans that its four processes send to a collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.end_to_end.processes import SMALL, episodes, run
from tests.end_to_end.tiny import tiny_model
from tests.extras import need

EPISODES = 2
PLAN, ACT = "hiper.v1.PlannerService/Plan", "hiper.v1.ExecutorService/Act"


@dataclass(frozen=True)
class Received:
    """A span that has arrived."""

    process: str
    trace: bytes
    id: bytes
    parent: bytes
    name: str
    attributes: dict[str, str | int]


@contextmanager
def collector(received: list[Received]) -> Iterator[str]:
    """A server of OpenTelemetry's protocol; yields its URL."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
            for each in request.resource_spans:
                process = str(attributes(each.resource)["service.name"])
                for span in each.scope_spans[0].spans:
                    ids = (span.trace_id, span.span_id, span.parent_span_id)
                    received.append(Received(process, *ids, span.name, attributes(span)))
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def attributes(message: Any) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in message.attributes}


def test_each_episode_of_a_run_is_one_trace_through_its_four_processes(tmp_path: Path) -> None:
    need("opentelemetry.sdk", "otel")
    spans: list[Received] = []
    with collector(spans) as url:
        code, output = run(
            "orchestrator.rollout",
            *SMALL,
            f"--model={tiny_model(tmp_path / 'model')}",
            "--planner.context_length=4096",
            "--executor.context_length=4096",
            "--learner.updates=1",
            f"--learner.episodes_per_update={EPISODES}",
            "--orchestrator.start_seconds=900",
            f"--run-dir={tmp_path / 'run'}",
            f"--trace={url}",
        )
    assert code == 0, output
    roots = {span.attributes["hiper.episode"]: span for span in spans if not span.parent}
    stored = episodes(tmp_path / "run")
    assert len({span.trace for span in spans}) == len(roots) == len(stored) == EPISODES
    names = {span.id: (span.process, span.name) for span in spans}
    for number, episode in stored.items():
        trace = [span for span in spans if span.trace == roots[number].trace]
        turns = len(episode.turns)
        assert roots[number].attributes["hiper.turns"] == turns
        found = Counter((*names.get(span.parent, ()), span.process, span.name) for span in trace)
        ours = "orchestrator"
        assert found == {
            (ours, "episode"): 1,
            (ours, "episode", ours, "reset"): 1,
            (ours, "episode", ours, "turn"): turns,
            (ours, "turn", ours, "plan"): turns,
            (ours, "plan", "planner", PLAN): turns,
            (ours, "turn", ours, "act"): turns,
            (ours, "act", "executor", ACT): turns,
            (ours, "turn", ours, "environment"): turns,
            (ours, "episode", ours, "submit"): 1,
            (ours, "submit", "learner", "hiper.v1.EpisodeService/Submit"): 1,
        }
        for name, answers in (
            (PLAN, [turn.plan.generation for turn in episode.turns]),
            (ACT, [turn.act.generation for turn in episode.turns]),
        ):
            recorded = sorted(map(tokens, (span for span in trace if span.name == name)))
            assert recorded == sorted(
                (len(each.prompt_ids), len(each.token_ids), each.adapter_version) for each in answers
            )


def tokens(span: Received) -> tuple[str | int, ...]:
    wanted = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "hiper.adapter_version")
    return tuple(span.attributes[name] for name in wanted)
