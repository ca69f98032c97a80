"""Drills of mTLS: certificates that must be refused, roles without the right to a call, and renewals."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import Random

import grpc
from hiper.v1 import (
    adapter_pb2_grpc,
    episode_pb2_grpc,
    executor_pb2_grpc,
    learner_pb2,
    learner_pb2_grpc,
    planner_pb2_grpc,
    pool_pb2_grpc,
)

from configuration.servers import ServerSettings, TlsSettings
from serving.rpc.access import MAY_CALL, Peer
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer, Service
from tests.drills.drill import Effort, Row
from tests.serving.rpc.authority import Authority
from tests.serving.rpc.status_server import fine, make_server, status_of

_SECONDS = 10.0
_PAST, _FUTURE = ("20200101000000Z", "20210101000000Z"), ("20400101000000Z", "20410101000000Z")
_SERVICERS: Mapping[str, Callable[[grpc.aio.Server], None]] = {
    "PlannerService": lambda server: planner_pb2_grpc.add_PlannerServiceServicer_to_server(
        planner_pb2_grpc.PlannerServiceServicer(), server
    ),
    "ExecutorService": lambda server: executor_pb2_grpc.add_ExecutorServiceServicer_to_server(
        executor_pb2_grpc.ExecutorServiceServicer(), server
    ),
    "AdapterService": lambda server: adapter_pb2_grpc.add_AdapterServiceServicer_to_server(
        adapter_pb2_grpc.AdapterServiceServicer(), server
    ),
    "EpisodeService": lambda server: episode_pb2_grpc.add_EpisodeServiceServicer_to_server(
        episode_pb2_grpc.EpisodeServiceServicer(), server
    ),
    "LearnerService": lambda server: learner_pb2_grpc.add_LearnerServiceServicer_to_server(
        learner_pb2_grpc.LearnerServiceServicer(), server
    ),
    "PoolService": lambda server: pool_pb2_grpc.add_PoolServiceServicer_to_server(
        pool_pb2_grpc.PoolServiceServicer(), server
    ),
}
"""All of our services, with methods that are not implemented: a call that is let through says so."""


def certificates(effort: Effort) -> list[Row]:
    """Certificates that are refused at the handshake, roles at each call, and renewals under load."""
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = (Path(name) / owner for owner in ("ours", "theirs"))
        ours.mkdir()
        theirs.mkdir()
        authority = Authority(ours)
        return [
            asyncio.run(_handshakes(authority, Authority(theirs), effort)),
            asyncio.run(_roles(authority)),
            asyncio.run(_renewals(authority, effort)),
        ]


async def _handshakes(authority: Authority, other: Authority, effort: Effort) -> Row:
    """Callers with a bad certificate, between two with a good one: only these are answered."""
    good = authority.signed("good", "operator")
    strange = other.signed("strange", "operator").model_copy(update={"authority": authority.certificate})
    bad = {
        "no certificate": TlsSettings(authority=authority.certificate),
        "another authority": strange,
        "expired": authority.signed("old", "operator", valid=_PAST),
        "not yet valid": authority.signed("early", "operator", valid=_FUTURE),
        "no encryption": None,
    }
    server = make_server(fine, tls=authority.signed("server"))
    await server.start()
    count, survived, codes = effort.count(1000, least=len(bad)), 0, Counter[str]()
    try:
        for number in range(count):
            kind, shown = list(bad.items())[number % len(bad)]
            code = await _code_with(server.address, shown)
            codes[f"{kind}: {code.name}"] += 1
            answered = await _code_with(server.address, good) is grpc.StatusCode.OK
            survived += code is grpc.StatusCode.UNAVAILABLE and answered
    finally:
        await server.drain()
    return Row("mTLS, bad certificates", count, survived, note=", ".join(codes))


async def _code_with(address: str, tls: TlsSettings | None) -> grpc.StatusCode:
    """The code of a call that shows a certificate; our own client would refuse to show a bad one."""
    if tls is None:
        channel = grpc.aio.insecure_channel(address)
    else:
        files = [path and path.read_bytes() for path in (tls.authority, tls.key, tls.certificate)]
        channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*files))
    async with channel:
        return await _code(status_of(channel, _SECONDS))


async def _code(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _roles(authority: Authority) -> Row:
    """Each of our calls by each role and by a certificate without one."""
    services = [Service(f"hiper.v1.{name}", add) for name, add in _SERVICERS.items()]
    server = GrpcServer(ServerSettings(tls=authority.signed("server")), services)
    await server.start()
    injected, survived, wrong = 0, 0, list[str]()
    try:
        for peer in (None, *Peer):
            shown = authority.signed("caller", *([peer.value] if peer else []))
            async with open_channel(server.address, shown) as channel:
                for method in (each for each in MAY_CALL if each.startswith("/hiper.")):
                    allowed = peer in MAY_CALL[method]
                    code = await _code(channel.unary_unary(method)(b"", timeout=_SECONDS))
                    right = code is (
                        grpc.StatusCode.UNIMPLEMENTED if allowed else grpc.StatusCode.PERMISSION_DENIED
                    )
                    injected, survived = injected + 1, survived + right
                    wrong += [] if right else [f"{peer} {method}: {code.name}"]
    finally:
        await server.drain()
    return Row("mTLS, every role and call", injected, survived, note="; ".join(wrong) or "right codes")


async def _renewals(authority: Authority, effort: Effort) -> Row:
    """The server's or the caller's certificate is renewed at random moments while calls run."""
    draw, count = Random(effort.seed), effort.count(200, least=4)
    answered, failed = 0, list[str]()
    ended = asyncio.Event()

    async def slow() -> learner_pb2.LearnerStatus:
        await asyncio.sleep(draw.uniform(0, 0.05))
        return await fine()

    server = make_server(slow, tls=authority.signed("server"))
    await server.start()

    async def caller(channel: grpc.aio.Channel) -> None:
        nonlocal answered
        while not ended.is_set():
            code = await _code(status_of(channel, _SECONDS))
            answered += code is grpc.StatusCode.OK
            failed.extend([] if code is grpc.StatusCode.OK else [code.name])

    async with open_channel(server.address, authority.signed("caller", "operator")) as channel:
        callers = [asyncio.ensure_future(caller(channel)) for _ in range(8)]
        for _ in range(count):
            name, role = draw.choice((("server", ()), ("caller", ("operator",))))
            before = answered
            await asyncio.to_thread(authority.signed, name, *role)
            # A new connection shows the new certificate, or is refused by it.
            failed.extend(await _new_connection(server.address, authority))
            while answered == before and not failed:
                await asyncio.sleep(0.001)
        ended.set()
        await asyncio.gather(*callers)
    await server.drain()
    note = (
        f"{answered:,} calls answered, {len(failed)} dropped{': ' if failed else ''}{', '.join(set(failed))}"
    )
    return Row("mTLS, renewals under load", count, 0 if failed else count, note=note)


async def _new_connection(address: str, authority: Authority) -> list[str]:
    async with open_channel(address, authority.settings("caller")) as channel:
        code = await _code(status_of(channel, _SECONDS))
    return [] if code is grpc.StatusCode.OK else [f"new connection: {code.name}"]
