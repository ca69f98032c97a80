"""Recording of spans: off by default, on in a block, and never in the way."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time

import pytest

from core import tracing
from core.errors import ConfigurationError
from tests.extras import need


def test_without_the_flag_opentelemetry_is_not_imported_and_nothing_is_recorded() -> None:
    program = (
        "import sys; import orchestrator.rollout, planner.server, play.dispatch; from core import tracing\n"
        "with tracing.traced(None, 'x'), tracing.span('a') as span, tracing.call_span('b', {}):\n"
        "    span.set_attributes({'c': 1}); tracing.note({'d': 2})\n"
        "    assert not tracing.is_on() and tracing.call_metadata() == {}\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_PACKAGES", ("no_such_package.within",))
    command = "HIPER_EXTRAS=otel ./bazelw run //orchestrator:rollout -- --trace http://host:4317"
    block = tracing.traced("http://host:4317", "test")
    with pytest.raises(ConfigurationError, match=f"--run.trace http://host:4317 needs .* {command}"), block:
        pass


def test_only_the_extra_makes_it_installed() -> None:
    need("opentelemetry.sdk", "otel")
    tracing.check_packages("http://host:4317")


def test_a_collector_that_does_not_answer_is_named_once_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need("opentelemetry.sdk", "otel")
    monkeypatch.setattr(tracing, "_FLUSH_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # without listening, so that nobody else takes the port
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with tracing.traced(f"http://{address}", "test"):
            for number in range(2000):
                with tracing.span("turn", {"number": number}):
                    pass
            began = time.monotonic()
        assert time.monotonic() - began < 5
    (line,) = caplog.messages
    assert line.startswith("spans may be missing in the traces: ") and address in line
    assert logging.getLogger("opentelemetry").propagate and not tracing.is_on()


def test_an_error_is_recorded_in_the_spans_that_it_leaves() -> None:
    need("opentelemetry.sdk", "otel")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    block = tracing.recorded(exporter, "test")
    with pytest.raises(ValueError), block, tracing.span("kept"), tracing.span("left"):
        tracing.note({"words": 3})
        raise ValueError("why")
    left, kept = exporter.get_finished_spans()
    assert (left.name, kept.name) == ("left", "kept")
    assert left.attributes == {"words": 3} and not kept.attributes
    for span in (left, kept):
        assert (span.status.is_ok, span.status.description) == (False, "ValueError: why")
        assert span.resource.attributes["service.name"] == "test"
