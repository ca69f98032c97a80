"""The set-up of a service, over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hiper.v1 import learner_pb2 as pb
from hiper.v1 import learner_pb2_grpc as pb_grpc

from configuration.servers import TlsSettings
from core import errors
from core.errors import DivergedError, HiperError, InvalidInputError, NotFoundError, UnavailableError
from serving.rpc.channel import open_channel, wait_healthy
from serving.rpc.server import ServerFlags, serve_until_stopped
from serving.rpc.status import status_code
from tests.serving.rpc.status_server import NAME, Answer, fine, make_server, status_of


async def called(answer: Answer, seconds: float = 10, **settings: object) -> pb.LearnerStatus:
    """One call to a server of its own."""
    server = make_server(answer, **settings)
    await server.start()
    async with open_channel(server.address, TlsSettings()) as channel:
        try:
            return await status_of(channel, seconds)
        finally:
            await server.drain()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInputError, "INVALID_ARGUMENT"),
        (errors.PromptTooLongError, "INVALID_ARGUMENT"),
        (errors.CorruptDataError, "DATA_LOSS"),
        (errors.PreconditionError, "FAILED_PRECONDITION"),
        (errors.NotFoundError, "NOT_FOUND"),
        (errors.ConflictError, "ALREADY_EXISTS"),
        (errors.QueueFullError, "RESOURCE_EXHAUSTED"),
        (errors.UnavailableError, "UNAVAILABLE"),
        (errors.UnauthenticatedError, "UNAUTHENTICATED"),
        (errors.ForbiddenError, "PERMISSION_DENIED"),
        (HiperError, "INTERNAL"),
    ],
)
def test_errors_have_one_status_each(error: type[HiperError], code: str) -> None:
    assert status_code(error("x")).name == code


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NotFoundError("no version 7"), grpc.StatusCode.NOT_FOUND, "no version 7"),
        (InvalidInputError("x" * 100_000), grpc.StatusCode.INVALID_ARGUMENT, "x" * 2000),
        (InvalidInputError("≥\ud800" * 100_000), grpc.StatusCode.INVALID_ARGUMENT, "≥?" * 400),
        (ZeroDivisionError("oh"), grpc.StatusCode.INTERNAL, "ZeroDivisionError: oh"),
    ],
)
def test_a_failed_call_tells_its_status_and_why(
    error: Exception, code: grpc.StatusCode, message: str
) -> None:
    async def fail() -> pb.LearnerStatus:
        raise error

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(called(fail))
    assert caught.value.code() is code
    assert caught.value.details().startswith(message)


def test_a_call_past_its_deadline_is_cancelled_in_the_server() -> None:
    async def play() -> None:
        ended = asyncio.Event()

        async def hang() -> pb.LearnerStatus:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return pb.LearnerStatus()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await called(hang, seconds=0.1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(play())


def test_draining_lets_running_calls_end_and_refuses_new_ones() -> None:
    async def play() -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> pb.LearnerStatus:
            began.set()
            await go_on.wait()
            return pb.LearnerStatus(run_id="ended")

        server = make_server(slow)
        await server.start()
        async with open_channel(server.address, TlsSettings()) as channel:
            running = asyncio.ensure_future(status_of(channel))
            await began.wait()
            draining = asyncio.create_task(server.drain())
            async with open_channel(server.address, TlsSettings()) as other:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    while True:
                        await status_of(other, 0.5)
            assert caught.value.code() in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                grpc.StatusCode.CANCELLED,  # it met the end half-way
            )
            go_on.set()
            assert (await running).run_id == "ended"
            await draining

    asyncio.run(play())


def test_health_and_reflection_name_the_services() -> None:
    async def play() -> list[str]:
        server = make_server(fine)
        await server.start()
        async with open_channel(server.address, TlsSettings()) as channel:
            await wait_healthy(channel, 5)
            await wait_healthy(channel, 5, NAME)
            with pytest.raises(UnavailableError, match=r"0\.3 s"):
                await wait_healthy(channel, 0.3, "hiper.v1.PlannerService")
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            answer = await anext(aiter(stub.ServerReflectionInfo(iter([ask]))))
        await server.drain()
        return [service.name for service in answer.list_services_response.service]

    assert NAME in asyncio.run(play())


def test_calls_beyond_the_limit_are_refused_and_health_is_answered() -> None:
    async def play() -> None:
        running, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def slow() -> pb.LearnerStatus:
            running.release()
            await go_on.wait()
            return pb.LearnerStatus(run_id="ended")

        server = make_server(slow, max_calls=2)
        await server.start()
        async with open_channel(server.address, TlsSettings()) as channel:
            calls = [asyncio.ensure_future(status_of(channel)) for _ in range(2)]
            for _ in calls:
                await running.acquire()
            with pytest.raises(grpc.aio.AioRpcError, match="max_calls") as caught:
                await status_of(channel)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            await wait_healthy(channel, 5)
            go_on.set()
            assert [(await call).run_id for call in calls] == ["ended"] * 2
            assert (await status_of(channel)).run_id == "ended"
        await server.drain()

    asyncio.run(play())


def test_health_follows_what_the_services_need_and_the_failure_is_raised() -> None:
    async def play() -> None:
        server = make_server(fine)
        failure: asyncio.Future[HiperError] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(serve_until_stopped(server, ServerFlags(), lambda: failure))
        while not server.address:
            await asyncio.sleep(0)
        async with open_channel(server.address, TlsSettings()) as channel:
            await wait_healthy(channel, 5)
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(service=NAME), timeout=10
            )
            seen = [(await watch.read()).status]
            failure.set_result(UnavailableError("the engine has failed"))
            seen.append((await watch.read()).status)
            watch.cancel()
            statuses = health_pb2.HealthCheckResponse
            assert seen == [statuses.SERVING, statuses.NOT_SERVING]
            with pytest.raises(UnavailableError, match="the engine has failed"):
                await serving

    asyncio.run(play())


def test_what_is_done_while_a_server_serves_ends_before_it_drains() -> None:
    async def play() -> None:
        server, seen = make_server(fine), []

        @asynccontextmanager
        async def during() -> AsyncIterator[None]:
            seen.append(bool(server.address))
            try:
                yield
            finally:
                async with open_channel(server.address, TlsSettings()) as channel:
                    seen.append((await status_of(channel)).run_id == "fine")

        serving = asyncio.ensure_future(serve_until_stopped(server, ServerFlags(), during=during))
        while not seen:
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        assert seen == [True, True]

    asyncio.run(play())


def test_a_failed_server_answers_those_who_ask_why_until_it_is_stopped() -> None:
    async def play() -> None:
        server, failure = make_server(fine, tells_failures=True), asyncio.Event()

        async def failed() -> HiperError:
            await failure.wait()
            return DivergedError("the loss is not finite")

        serving = asyncio.ensure_future(serve_until_stopped(server, ServerFlags(), failed, None))
        while not server.address:
            await asyncio.sleep(0)
        async with open_channel(server.address, TlsSettings()) as channel:
            await wait_healthy(channel, 5)
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
            assert (await watch.read()).status is health_pb2.HealthCheckResponse.SERVING
            failure.set()
            assert (await watch.read()).status is health_pb2.HealthCheckResponse.NOT_SERVING
            watch.cancel()
            await wait_healthy(channel, 5, NAME)
            assert (await status_of(channel)).run_id == "fine"
            assert not serving.done()
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(DivergedError, match="the loss is not finite"):
                await serving

    asyncio.run(play())


def test_one_healthy_service_is_enough() -> None:
    async def play() -> None:
        server = make_server(fine)
        await server.start()
        async with open_channel(server.address, TlsSettings()) as channel:
            await wait_healthy(channel, 5, "hiper.v1.NoService", "")
        await server.drain()

    asyncio.run(play())


def test_nobody_there_is_an_error_with_the_reason() -> None:
    async def play() -> None:
        async with open_channel("127.0.0.1:1", TlsSettings()) as channel:
            await wait_healthy(channel, 0.5)

    with pytest.raises(UnavailableError, match="not healthy"):
        asyncio.run(play())


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    async def play() -> None:
        first = make_server(fine)
        await first.start()
        try:
            await make_server(fine, listen=first.address).start()
        finally:
            await first.drain()

    with pytest.raises(UnavailableError, match="in use"):
        asyncio.run(play())


def test_metrics_count_calls_by_status() -> None:
    async def play() -> str:
        server = make_server(fine, metrics_port=0)
        await server.start()
        async with open_channel(server.address, TlsSettings()) as channel:
            await status_of(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await pb_grpc.LearnerServiceStub(channel).Stop(pb.StopRequest())
        url = f"http://127.0.0.1:{server.metrics_port}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read().decode())
        await server.drain()
        return text

    text = asyncio.run(play())
    assert f'hiper_calls_total{{code="OK",method="/{NAME}/GetStatus"}} 1.0' in text
    assert f'hiper_calls_total{{code="UNIMPLEMENTED",method="/{NAME}/Stop"}} 1.0' in text
