"""Spans of OpenTelemetry, which are recorded while a command is in `traced`, and cost nothing otherwise.

OpenTelemetry is imported only then; the lock `otel` has its packages.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from core import packages, shown

_log = logging.getLogger(__name__)

_PACKAGES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter")

_EXPORT_SECONDS = 5.0
"""Time in which a batch of spans is sent, with retries, before it is dropped."""
_FLUSH_SECONDS = 3.0
"""Longest time for which the end of a command waits; less than a server that is stopped gets to end."""

Attributes = Mapping[str, str | int]


class Span(Protocol):
    """A span that is being recorded."""

    def set_attributes(self, attributes: Attributes) -> None: ...


class _NoSpan:
    def set_attributes(self, attributes: Attributes) -> None:
        pass


_NOTHING: AbstractContextManager[Span] = nullcontext(_NoSpan())
_recorder: _Recorder | None = None


def is_on() -> bool:
    """Whether spans are recorded."""
    return _recorder is not None


def span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[Span]:
    """A block that is recorded as a span, below the span that it is in; an error in it is recorded, too."""
    return _recorder.span(name, attributes) if _recorder else _NOTHING


def call_span(name: str, metadata: Mapping[str, str]) -> AbstractContextManager[Span]:
    """A server's block that is recorded below the caller's span; not recorded if the caller sent none.

    Args:
        name: Name of the span.
        metadata: The call's metadata, with the caller's span as W3C's `traceparent`.
    """
    return _recorder.call_span(name, metadata) if _recorder else _NOTHING


def note(attributes: Attributes) -> None:
    """Adds attributes to the span that this is called in, if there is one."""
    if _recorder:
        _recorder.note(attributes)


def call_metadata() -> dict[str, str]:
    """The current span as metadata of a call; empty outside of spans."""
    return _recorder.call_metadata() if _recorder else {}


def check_packages(endpoint: str) -> None:
    """Raises `ConfigurationError` with the command that installs OpenTelemetry if it is not installed."""
    packages.need(
        _PACKAGES,
        f"--run.trace {endpoint} needs OpenTelemetry",
        "otel",
        f"{shown.command('//orchestrator:rollout')} --trace {endpoint}",
    )


@contextmanager
def traced(endpoint: str | None, service: str) -> Iterator[None]:
    """A block whose spans are sent to a collector; at its end, those that are left are sent.

    A collector that does not answer does not disturb the block: spans are dropped, and the log says so once.

    Args:
        endpoint: URL of the collector's OTLP port for gRPC; None records nothing.
        service: Name of this process in the traces, such as `planner`.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    if endpoint is None:
        yield
        return
    check_packages(endpoint)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    with recorded(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS), service):
        yield


@contextmanager
def recorded(exporter: Any, service: str) -> Iterator[None]:
    """A block whose spans go to this exporter of OpenTelemetry."""
    global _recorder
    library = logging.getLogger("opentelemetry")
    handler, library.propagate = _FirstProblem(), False
    library.addHandler(handler)
    recorder = _recorder = _Recorder(exporter, service)
    try:
        yield
    finally:
        _recorder = None
        recorder.close()
        library.removeHandler(handler)
        library.propagate = True


class _Recorder:
    """All that uses OpenTelemetry."""

    def __init__(self, exporter: Any, service: str) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        names: dict[str, str | int] = {
            "service.namespace": "hiper",
            "service.name": service,
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }
        self._trace, self._propagator = trace, TraceContextTextMapPropagator()
        self._provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("hiper")

    def span(self, name: str, attributes: Attributes | None) -> AbstractContextManager[Span]:
        block: AbstractContextManager[Span] = self._tracer.start_as_current_span(name, attributes=attributes)
        return block

    def call_span(self, name: str, metadata: Mapping[str, str]) -> AbstractContextManager[Span]:
        caller = self._propagator.extract(metadata)
        if not self._trace.get_current_span(caller).get_span_context().is_valid:
            return _NOTHING
        block: AbstractContextManager[Span] = self._tracer.start_as_current_span(
            name, context=caller, kind=self._trace.SpanKind.SERVER
        )
        return block

    def note(self, attributes: Attributes) -> None:
        self._trace.get_current_span().set_attributes(attributes)

    def call_metadata(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    def close(self) -> None:
        # In a thread, because OpenTelemetry waits for half a minute if the collector does not answer.
        sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_SECONDS)


class _FirstProblem(logging.Handler):
    """Passes on the first warning of OpenTelemetry, which otherwise comes again with every batch of spans."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._passed_on = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._passed_on:
            self._passed_on = True
            _log.warning("spans may be missing in the traces: %s", record.getMessage())
