"""The set-up of all gRPC servers: health, reflection, errors, limits, TLS, metrics, clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from configuration.section import Section
from configuration.servers import ServerSettings
from core import tracing
from core.errors import AddressInUseError, HiperError, InvalidInputError
from core.paths import user_path
from serving.rpc.access import AccessControl
from serving.rpc.call_limit import CallLimit
from serving.rpc.call_metrics import CallMetrics
from serving.rpc.call_traces import CallTraces
from serving.rpc.certificates import CertificateFiles
from serving.rpc.channel import MESSAGE_BYTES, Keepalive
from serving.rpc.metrics_port import MetricsPort
from serving.rpc.status import StatusInterceptor
from serving.rpc.tls import check_exposure, server_credentials

_log = logging.getLogger(__name__)

_OPTIONS = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    *Keepalive().options(),
    # Clients may send pings as often as they like; by default gRPC closes a connection on which they come
    # more than once in five minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 100),
    ("grpc.http2.max_ping_strikes", 0),
    # Otherwise two servers on one port would start without an error and share its calls.
    ("grpc.so_reuseport", 0),
)
_SPARE_CALLS = 64
_EXPIRY_CHECK_SECONDS = 12 * 3600


class ServerFlags(Section):
    """Options of every server's command."""

    ready_file: Path | None = None
    """File written once the server is serving: JSON with `address`, `pid` and `metrics_port`."""
    exit_with_parent: bool = False
    """Stop when standard input is closed, which happens when the process that started this one is gone."""
    dry_run: bool = False
    """Check the configuration and print it; start nothing."""


@dataclass(frozen=True)
class Service:
    """A gRPC service, with the function that adds its servicer to a server."""

    name: str
    """Full name, such as `hiper.v1.PlannerService`."""
    add_to: Callable[[grpc.aio.Server], None]
    tells_failures: bool = False
    """Whether it answers, and so stays healthy, after what the services need has failed."""


class GrpcServer:
    """Serves several services on one port."""

    def __init__(
        self,
        settings: ServerSettings,
        services: Sequence[Service],
        registry: CollectorRegistry | None = None,
        message_bytes: int = MESSAGE_BYTES,
    ) -> None:
        """Calls with messages of more than `message_bytes` end as RESOURCE_EXHAUSTED."""
        self._settings = settings
        self._names = [service.name for service in services]
        self._telling = [service.name for service in services if service.tells_failures]
        self._registry = registry or CollectorRegistry()
        self._health = health.aio.HealthServicer()
        self._limit = CallLimit(settings.max_calls)
        self._server = grpc.aio.server(
            interceptors=_interceptors(settings, self._registry, self._limit),
            options=(*_OPTIONS, ("grpc.max_receive_message_length", message_bytes)),
            # Above our own limit, which excepts health checks; this one also counts calls that only begin.
            maximum_concurrent_rpcs=settings.max_calls + _SPARE_CALLS,
        )
        for service in services:
            service.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._metrics: MetricsPort | None = None
        self._expiry: asyncio.Task[None] | None = None
        self.address = ""
        """Address as `host:port`; empty before the start."""
        self.metrics_port: int | None = None

    @property
    def calls(self) -> int:
        """Number of calls that are being handled, without health checks."""
        return self._limit.running

    async def start(self) -> None:
        """Binds the ports and serves.

        Raises:
            AddressInUseError: a port is in use, or cannot be bound.
            InvalidInputError: the TLS files are not usable.
        """
        self._bind()
        self._start_metrics()
        await self._server.start()
        self._expiry = asyncio.ensure_future(self._watch_expiry())
        await self._tell(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Refuses new calls as UNAVAILABLE, gives running ones `drain_seconds` to end, and stops."""
        if self._expiry is not None:
            self._expiry.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_seconds)
        if self._metrics is not None:
            self._metrics.stop()

    def _bind(self) -> None:
        listen, credentials = self._settings.listen, server_credentials(self._settings.tls)
        check_exposure(listen, self._settings.tls)
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(listen)
            else:
                bound = self._server.add_secure_port(listen, credentials)
        except RuntimeError as error:
            raise AddressInUseError(
                f"cannot listen on {listen}: the port is in use, or the address is not of this machine. "
                "`listen` takes another one; with port 0, a free port is chosen"
            ) from error
        self.address = f"{listen.rpartition(':')[0]}:{bound}"

    async def _watch_expiry(self) -> None:
        """Says in the log that the certificate expires soon, or has expired; at the start `_bind` does."""
        files = CertificateFiles(self._settings.tls)
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_SECONDS)
            try:
                files.check_expiry()
            except InvalidInputError as error:
                _log.error("%s: no new connection succeeds until it is renewed", error)

    def _start_metrics(self) -> None:
        if (port := self._settings.metrics_port) is not None:
            host = self._settings.listen.rpartition(":")[0].strip("[]")
            self._metrics = MetricsPort(host, port, self._registry, self._settings.tls)
            self.metrics_port = self._metrics.port

    async def fail(self) -> None:
        """Sets the health of all services to NOT_SERVING, except for those that tell failures."""
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING, but=self._telling)

    async def _tell(
        self, status: health_pb2.HealthCheckResponse.ServingStatus, but: Collection[str] = ()
    ) -> None:
        for name in ("", *self._names):
            if name not in but:
                await self._health.set(name, status)


def _interceptors(
    settings: ServerSettings, registry: CollectorRegistry, limit: CallLimit
) -> tuple[grpc.aio.ServerInterceptor, ...]:
    """The interceptors of all calls; the first one is the outermost."""
    access = (AccessControl(),) if settings.tls.authority is not None else ()
    traces = (CallTraces(),) if tracing.is_on() else ()
    return (CallMetrics(registry), *traces, StatusInterceptor(), *access, limit)


Failure = Callable[[], Awaitable[HiperError]]
"""Returns once what the services of a server need has failed."""


async def serve_until_stopped(
    server: GrpcServer,
    flags: ServerFlags,
    failure: Failure | None = None,
    telling_seconds: float | None = 0.0,
    during: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
) -> None:
    """Starts, reports that, and serves until SIGTERM, SIGINT or the end of the parent; then drains.

    Args:
        server: The server, not yet started.
        flags: Options of its command.
        failure: Health is NOT_SERVING once this returns. After `telling_seconds` the server drains, and the
            error is raised.
        telling_seconds: Time for which a failed server answers those who ask what has failed, unless it is
            stopped before; None is until it is stopped.
        during: Context that is entered once the server serves, and left before it drains.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if flags.exit_with_parent:
        _watch_stdin(loop, stop)
    await server.start()
    if flags.ready_file:
        _write_ready(user_path(flags.ready_file), server)
    print(f"serving on {server.address}", file=sys.stderr, flush=True)
    try:
        async with during():
            if error := await _failed(stop, failure):
                await server.fail()
                await _until(stop, telling_seconds)
                raise error
    finally:
        await server.drain()


async def _failed(stop: asyncio.Event, failure: Failure | None) -> HiperError | None:
    """The error, if what the services need fails before they are to stop."""
    stopped = asyncio.ensure_future(stop.wait())
    failed = asyncio.ensure_future(failure()) if failure is not None else None
    waiting = [task for task in (stopped, failed) if task is not None]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return failed.result() if failed is not None and failed.done() else None
    finally:
        for task in waiting:
            task.cancel()


async def _until(stop: asyncio.Event, seconds: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # A pipe from the parent closes however the parent ends, even by SIGKILL, which no handler can pass on.
    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _write_ready(path: Path, server: GrpcServer) -> None:
    ready = {"address": server.address, "pid": os.getpid(), "metrics_port": server.metrics_port}
    # Renamed when complete: the parent polls for the file and reads it as soon as it exists.
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(ready), encoding="utf-8")
    unfinished.rename(path)
