"""Certificates: who may call what, and how long they last."""

from __future__ import annotations

import asyncio
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from hiper.v1 import adapter_pb2, episode_pb2, executor_pb2, learner_pb2, planner_pb2, pool_pb2

from configuration.servers import TlsSettings
from core.errors import ForbiddenError, InvalidInputError, NotFoundError, UnauthenticatedError
from serving.rpc import certificates
from serving.rpc.access import MAY_CALL, Peer, check_access
from serving.rpc.certificates import WARNING_SECONDS, CertificateFiles, expiry
from serving.rpc.channel import open_channel, wait_healthy
from serving.rpc.server import GrpcServer
from serving.rpc.tls import is_loopback
from tests.serving.rpc.authority import Authority
from tests.serving.rpc.status_server import fine, make_server, status_of

EVERYWHERE = "0.0.0.0:0"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def reached(server: GrpcServer) -> str:
    """Where this machine reaches a server that listens everywhere."""
    return server.address.replace("0.0.0.0", "127.0.0.1")


def with_server(play: Callable[[GrpcServer], Awaitable[None]], **settings: object) -> None:
    async def run() -> None:
        server = make_server(fine, **settings)
        await server.start()
        try:
            await play(server)
        finally:
            await server.drain()

    asyncio.run(run())


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def reflected(channel: grpc.aio.Channel) -> object:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    return await anext(aiter(stub.ServerReflectionInfo(iter([ask]), timeout=10)))


def test_with_an_authority_both_sides_must_show_a_certificate(authority: Authority) -> None:
    async def play(server: GrpcServer) -> None:
        async with open_channel(server.address, authority.signed("player", "orchestrator")) as channel:
            assert (await status_of(channel)).run_id == "fine"
        for stranger in (TlsSettings(authority=authority.certificate), TlsSettings()):
            async with open_channel(server.address, stranger) as channel:
                code = await code_of(status_of(channel, 2))
                assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

    with_server(play, tls=authority.signed("server"))


@pytest.mark.parametrize(
    ("roles", "status", "reflection"),
    [
        ((), "PERMISSION_DENIED", "PERMISSION_DENIED"),
        (("learner",), "PERMISSION_DENIED", "PERMISSION_DENIED"),
        (("orchestrator",), "OK", "PERMISSION_DENIED"),
        (("learner", "operator"), "OK", "OK"),
    ],
)
def test_a_certificate_allows_the_calls_of_its_roles(
    authority: Authority, roles: tuple[str, ...], status: str, reflection: str
) -> None:
    async def play(server: GrpcServer) -> None:
        async with open_channel(server.address, authority.signed("caller", *roles)) as channel:
            if roles:
                await wait_healthy(channel, 10)
            assert (await code_of(status_of(channel))).name == status
            assert (await code_of(reflected(channel))).name == reflection

    with_server(play, tls=authority.signed("server"))


def test_the_table_names_every_call_that_there_is() -> None:
    files = (adapter_pb2, episode_pb2, executor_pb2, learner_pb2, planner_pb2, pool_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    ours = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert ours == {method for method in MAY_CALL if method.startswith("/hiper.")}
    others = {method.split("/")[1] for method in MAY_CALL.keys() - ours}
    assert others == {health.SERVICE_NAME, reflection.SERVICE_NAME}


def test_adapters_come_from_learners_and_operators_only() -> None:
    push = "/hiper.v1.AdapterService/Push"
    certificate = {"x509_pem_cert": [b"PEM"]}
    for peer in Peer:
        shown = {**certificate, "peer_uri": [b"https://elsewhere", f"hiper:{peer.value}".encode()]}
        if peer in (Peer.LEARNER, Peer.OPERATOR):
            check_access(push, shown)
        else:
            with pytest.raises(ForbiddenError, match="URI:hiper:learner or URI:hiper:operator; .*elsewhere"):
                check_access(push, shown)
    with pytest.raises(ForbiddenError, match="none"):
        check_access("/hiper.v1.NewService/Call", {**certificate, "peer_uri": [b"hiper:operator"]})
    with pytest.raises(ForbiddenError, match="no URI"):
        # A name is not a role, also not in the fields that name people or hosts.
        check_access(push, {**certificate, "x509_common_name": [b"hiper:learner"]})
    with pytest.raises(UnauthenticatedError):
        check_access(push, {"peer_uri": [b"hiper:learner"]})


@pytest.mark.parametrize("tls", [TlsSettings(), "certificate alone"])
def test_off_loopback_an_authority_is_needed(
    authority: Authority, tls: TlsSettings | str, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(tls, str):
        tls = authority.signed("server").model_copy(update={"authority": None})

    async def never(server: GrpcServer) -> None:
        pytest.fail("the server has started")

    with pytest.raises(InvalidInputError, match=r"0\.0\.0\.0:0: .*tls\.authority.*tls\.insecure = true"):
        with_server(never, listen=EVERYWHERE, tls=tls)

    async def play(server: GrpcServer) -> None:
        assert "INSECURE" in caplog.text
        if tls.certificate is None:
            async with open_channel(reached(server), TlsSettings()) as channel:
                assert (await status_of(channel)).run_id == "fine"

    with_server(play, listen=EVERYWHERE, tls=tls.model_copy(update={"insecure": True}))


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "localhost", "[::1]", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "[::]", "", "127.example.org", "gpu-1", "10.0.0.1")))


async def shown_serial(address: str, caller: TlsSettings) -> str:
    """The serial number of the certificate that a server shows to a new connection."""
    context = ssl.create_default_context(cafile=caller.authority)
    assert caller.certificate is not None
    context.load_cert_chain(caller.certificate, caller.key)
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        return str(writer.get_extra_info("peercert")["serialNumber"])
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("half", [lambda content: b"", lambda content: content], ids=["empty", "of before"])
def test_files_that_are_replaced_between_reading_and_checking_are_read_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, half: Callable[[bytes], bytes]
) -> None:
    own = authority.signed("replaced")
    assert own.certificate is not None and own.key is not None
    before = own.certificate.read_bytes()
    files = CertificateFiles(own)
    authority.signed("replaced")
    after = own.certificate.read_bytes()
    own.certificate.write_bytes(half(before))

    def replaced(certificate: Path, key: Path) -> None:
        certificate.write_bytes(after)
        works(certificate, key)

    works = certificates._check_pair
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "_check_pair", replaced)
        assert files.renewed() is None
    renewed = files.renewed()
    assert renewed is not None and renewed.certificate == after


def test_an_authority_without_a_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    own = authority.signed("lonely")
    for content in (b"", authority.certificate.read_bytes()[:100], b"text"):
        (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(InvalidInputError, match="tls.authority"):
            CertificateFiles(own.model_copy(update={"authority": tmp_path / "ca.pem"})).read()


def test_a_renewed_certificate_is_shown_without_a_new_start(authority: Authority) -> None:
    caller = authority.signed("player", "orchestrator")

    async def play(server: GrpcServer) -> None:
        addresses = (reached(server), f"127.0.0.1:{server.metrics_port}")
        before = [await shown_serial(address, caller) for address in addresses]
        assert before[0] == before[1]
        # In the middle of a renewal the files are no pair: what there was is shown.
        assert own.key is not None
        key = own.key.read_bytes()
        own.key.write_bytes(caller.key.read_bytes() if caller.key else b"")
        assert [await shown_serial(address, caller) for address in addresses] == before
        own.key.write_bytes(key)
        authority.signed("server")
        after = [await shown_serial(address, caller) for address in addresses]
        assert after[0] == after[1] != before[0]
        async with open_channel(reached(server), caller) as channel:
            assert (await status_of(channel)).run_id == "fine"

    own = authority.signed("server")
    with_server(play, listen=EVERYWHERE, metrics_port=0, tls=own)


def test_a_client_shows_its_renewed_certificate_and_running_calls_go_on(authority: Authority) -> None:
    async def play() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> learner_pb2.LearnerStatus:
            begun.set()
            await go_on.wait()
            return learner_pb2.LearnerStatus(run_id="slow")

        server = make_server(slow, tls=authority.signed("server"))
        await server.start()
        async with open_channel(server.address, authority.signed("renewing", "orchestrator")) as channel:
            running = asyncio.ensure_future(status_of(channel))
            await begun.wait()
            authority.signed("renewing", "learner")
            assert await code_of(status_of(channel)) is grpc.StatusCode.PERMISSION_DENIED
            authority.signed("renewing", "operator")
            again = asyncio.ensure_future(status_of(channel))
            go_on.set()
            assert [(await call).run_id for call in (running, again)] == ["slow", "slow"]
        await server.drain()

    asyncio.run(play())


def test_metrics_off_loopback_need_a_certificate_like_calls(authority: Authority) -> None:
    caller = authority.signed("player", "orchestrator")

    async def play(server: GrpcServer) -> None:
        def fetched(scheme: str, tls: TlsSettings) -> str:
            context = ssl.create_default_context(cafile=authority.certificate)
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate, tls.key)
            url = f"{scheme}://127.0.0.1:{server.metrics_port}/metrics"
            opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
            return str(opener.open(url, timeout=10).read().decode())

        assert "hiper_calls" in await asyncio.to_thread(fetched, "https", caller)
        for scheme in ("https", "http"):
            with pytest.raises((OSError, urllib.error.URLError)):
                await asyncio.to_thread(fetched, scheme, TlsSettings())

    with_server(play, listen=EVERYWHERE, metrics_port=0, tls=authority.signed("server"))


def test_a_certificate_is_warned_of_two_weeks_before_its_end_and_refused_after(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = authority.signed("server", days=60)
    assert tls.certificate is not None
    files, end = CertificateFiles(tls), expiry(tls.certificate)
    with caplog.at_level(logging.WARNING):
        files.check_expiry(end - WARNING_SECONDS - 60)
        assert not caplog.records
        files.check_expiry(end - WARNING_SECONDS + 60)
        assert "expires on" in caplog.text
    with pytest.raises(InvalidInputError, match="expired on"):
        files.check_expiry(end + 1)


def test_files_that_are_missing_or_no_pair_are_named(authority: Authority, tmp_path: Path) -> None:
    async def never(server: GrpcServer) -> None:
        pytest.fail("the server has started")

    own, other = authority.signed("server"), authority.signed("other")
    with pytest.raises(InvalidInputError, match=r"tls\.key"):
        with_server(never, tls=TlsSettings(certificate=own.certificate))
    with pytest.raises(NotFoundError, match="nowhere"):
        with_server(never, tls=TlsSettings(certificate=own.certificate, key=tmp_path / "nowhere.key"))
    with pytest.raises(InvalidInputError, match="not a certificate and its key"):
        with_server(never, tls=TlsSettings(certificate=own.certificate, key=other.key))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(InvalidInputError):
        with_server(never, tls=TlsSettings(certificate=empty, key=own.key))
