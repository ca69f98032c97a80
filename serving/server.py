"""The set-up that every service shares: health, reflection, errors, metrics, TLS, and an end without loss."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from configuration.paths import user_path
from configuration.section import Section
from serving.channel import MESSAGE_BYTES
from serving.errors import HiperError, InvalidInputError
from serving.interceptor import CallInterceptor
from serving.settings import ServerSettings
from serving.tls import server_credentials

log = logging.getLogger(__name__)

_LOOPBACK = ("127.", "localhost", "[::1]")


class ServerFlags(Section):
    """Options of a server's command line that are not kept with a run."""

    ready_file: Path | None = None
    """Gets the address, once the server listens."""
    exit_with_parent: bool = False
    """Ends when standard input does, and so with the process that started this one."""


@dataclass(frozen=True)
class Service:
    """One gRPC service of a server."""

    name: str
    """Full name, such as `hiper.v1.PlannerService`."""
    register: Callable[[grpc.aio.Server], None]


class AddressError(InvalidInputError):
    """An address that cannot be listened on."""


async def serve(
    services: Sequence[Service],
    settings: ServerSettings,
    flags: ServerFlags,
    start: Callable[[], Awaitable[None]],
    registry: CollectorRegistry,
) -> None:
    """Serves until a signal, or the end of the parent, asks for the end; then lets calls in flight finish.

    Args:
        services: What is offered beside health and reflection.
        settings: Where to listen, TLS, how long to drain.
        flags: See there.
        start: Done while the server listens already and says NOT_SERVING, such as loading a model.
        registry: Of the metrics that `settings.metrics_port` offers.

    Raises:
        AddressError: the port is in use, or the address is none of this machine's.
    """
    server, vitals = _build(services, registry)
    address = _listen(server, settings)
    stopping = asyncio.Event()
    _on_end(stopping, flags.exit_with_parent)
    await server.start()
    await _say(vitals, services, health_pb2.HealthCheckResponse.NOT_SERVING)
    starting = asyncio.ensure_future(start())
    ending = asyncio.ensure_future(stopping.wait())
    try:
        _announce(address, settings, flags, registry)
        await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await _say(vitals, services, health_pb2.HealthCheckResponse.SERVING)
            await ending
    finally:
        starting.cancel()
        ending.cancel()
        await vitals.enter_graceful_shutdown()
        log.info("draining")
        await server.stop(settings.drain_seconds)


def run_server(main: Callable[[], Awaitable[None]]) -> NoReturn:
    """Runs a server's main with logging set up, and ends the process: with 0, or 2 and a line of why."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    code = 0
    try:
        asyncio.new_event_loop().run_until_complete(main())
    except HiperError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: it would wait for a thread that computes, such as an update of minutes. Nothing is lost,
    # as whatever is kept is written beside and renamed, or committed.
    os._exit(code)


def _build(
    services: Sequence[Service], registry: CollectorRegistry
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        # Without this a second server on the same port would take half of the calls.
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.aio.server(interceptors=[CallInterceptor(registry)], options=options)
    for service in services:
        service.register(server)
    vitals = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(vitals, server)
    names = [service.name for service in services]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return server, vitals


async def _say(vitals: health.aio.HealthServicer, services: Sequence[Service], status: int) -> None:
    for name in ("", *(service.name for service in services)):
        await vitals.set(name, status)


def _listen(server: grpc.aio.Server, settings: ServerSettings) -> str:
    """Binds, and gives the address with the port that was taken."""
    host, _, asked = settings.listen.rpartition(":")
    if not host or not asked.isdigit() or int(asked) > 65535:
        raise AddressError(f"listen = {settings.listen!r}: host:port is accepted, such as 127.0.0.1:0")
    credentials = server_credentials(settings.tls)
    try:
        if credentials is None:
            port = server.add_insecure_port(settings.listen)
        else:
            port = server.add_secure_port(settings.listen, credentials)
    except RuntimeError as error:
        raise AddressError(
            f"cannot listen on {settings.listen}: the port is in use or the address is not this machine's; "
            "port 0 takes a free one"
        ) from error
    if credentials is None and not host.startswith(_LOOPBACK):
        log.warning("%s is reachable from other machines without TLS", settings.listen)
    return f"{host}:{port}"


def _announce(
    address: str, settings: ServerSettings, flags: ServerFlags, registry: CollectorRegistry
) -> None:
    log.info("listening on %s", address)
    if settings.metrics_port is not None:
        host = address.rpartition(":")[0].strip("[]")
        try:
            http, _ = start_http_server(settings.metrics_port, addr=host, registry=registry)
        except OSError as error:
            raise AddressError(
                f"cannot listen on metrics_port {settings.metrics_port}: {error.strerror}"
            ) from error
        log.info("metrics on http://%s:%d/metrics", host, http.server_port)
    if flags.ready_file is not None:
        ready_file = user_path(flags.ready_file)
        beside = ready_file.with_name(ready_file.name + ".new")
        beside.write_text(address + "\n", encoding="utf-8")
        os.replace(beside, ready_file)


def _on_end(stopping: asyncio.Event, with_parent: bool) -> None:
    """Sets the event on SIGTERM, SIGINT, and the end of standard input if that is to count."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if with_parent:
        threading.Thread(target=_until_input_ends, args=(loop, stopping), daemon=True).start()


def _until_input_ends(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stopping.set)
