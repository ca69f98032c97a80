"""What a client makes of each status code, and how often it asks again."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from core import errors
from core.errors import HiperError, PreconditionError, SlowError, UnavailableError
from serving.rpc.codes import CODES
from serving.rpc.connection import Connection, Server, WrongServerError, explained
from serving.rpc.retry import WORTH_RETRYING, RetryPolicy

SERVER = Server("planner", "10.0.0.1:7001")
SPECIAL = (
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
"""Codes that have words of their own, and the one that is not an error."""


def error_of(code: grpc.StatusCode, details: str = "because") -> HiperError:
    return explained(SERVER, code, details, 2.5)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code not in SPECIAL])
def test_a_code_becomes_the_class_that_servers_answer_it_for(code: grpc.StatusCode) -> None:
    expected = {known: kind for kind, known in CODES.items()}.get(code, HiperError)
    error = error_of(code)
    assert type(error) is expected
    assert str(error) == f"the planner at 10.0.0.1:7001 answered {code.name}: because"


def test_every_class_of_errors_has_a_code_or_a_base_class_that_has_one() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HiperError)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        nearest = next(base for base in kind.__mro__ if base in CODES)
        assert issubclass(type(error_of(CODES[nearest])), HiperError)
        assert nearest is HiperError or issubclass(type(error_of(CODES[nearest])), nearest)


@pytest.mark.parametrize(
    "details",
    [
        "failed to connect to all addresses; last error: UNKNOWN",
        "Connection refused (111)",
        "DNS resolution failed for planner",
        "Socket closed",
        "recvmsg:Connection reset by peer",
    ],
)
def test_a_server_that_is_not_there_is_told_from_one_that_says_it_is_not_ready(details: str) -> None:
    gone = error_of(grpc.StatusCode.UNAVAILABLE, details)
    assert type(gone) is UnavailableError
    assert str(gone) == f"the planner at 10.0.0.1:7001 is not there ({details})"
    assert "answered UNAVAILABLE" in str(error_of(grpc.StatusCode.UNAVAILABLE, "loading the model"))


def test_a_call_that_the_server_s_end_cancelled_is_worth_a_retry() -> None:
    error = error_of(grpc.StatusCode.CANCELLED, "CANCELLED")
    assert isinstance(error, WORTH_RETRYING)
    assert "ended when it was asked (CANCELLED)" in str(error)


def test_a_server_that_does_not_know_the_call_is_another_one() -> None:
    error = error_of(grpc.StatusCode.UNIMPLEMENTED)
    assert isinstance(error, WrongServerError) and isinstance(error, PreconditionError)
    assert "10.0.0.1:7001" in str(error) and "--planner.address" in str(error)


def test_a_missed_deadline_names_its_length_and_is_worth_a_retry() -> None:
    error = error_of(grpc.StatusCode.DEADLINE_EXCEEDED)
    assert type(error) is SlowError and isinstance(error, WORTH_RETRYING)
    assert "did not answer within 2.5 s" in str(error)


def test_only_a_server_that_may_become_ready_is_asked_again() -> None:
    again = {code for code in grpc.StatusCode if isinstance(error_of(code), WORTH_RETRYING)}
    assert again == {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }


@pytest.mark.parametrize(("failures", "bound"), [(1, 0.25), (2, 0.5), (3, 1), (4, 2), (5, 4), (6, 5), (7, 5)])
def test_the_longest_pause_doubles_up_to_five_seconds(failures: int, bound: float) -> None:
    policy = RetryPolicy(patience=9.0)
    jitter = random.Random(3)
    expected = bound * (0.5 + 0.5 * random.Random(3).random())
    assert policy.pause(failures, jitter) == pytest.approx(expected)


@pytest.mark.parametrize("failures", [1024, 1025, 5000])
def test_a_patient_client_may_fail_a_thousand_times(failures: int) -> None:
    assert 2.5 <= RetryPolicy(patience=9000.0).pause(failures, random.Random(0)) <= 5.0


class Flaky(health_pb2_grpc.HealthServicer):
    """Is not ready for the first calls."""

    def __init__(self, refusals: int) -> None:
        self._left = refusals
        self.calls = 0

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        self.calls += 1
        if self._left > 0:
            self._left -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "loading")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def asked(servicer: Flaky, patience: float) -> int:
    """The status that a client is answered by a real server."""

    async def work() -> int:
        server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                time = Time()
                policy = RetryPolicy(patience, sleep=time.sleep, clock=lambda: time.now)
                connection = Connection(channel, Server("learner", address), 10.0, policy)
                stub = health_pb2_grpc.HealthStub(channel)
                answer = await connection.call(stub.Check, health_pb2.HealthCheckRequest())
                return int(answer.status)
        finally:
            await server.stop(None)

    return asyncio.run(work())


def test_a_real_server_is_asked_until_it_is_ready() -> None:
    servicer = Flaky(refusals=2)
    assert asked(servicer, patience=0.75) == health_pb2.HealthCheckResponse.SERVING
    assert servicer.calls == 3


def test_a_real_server_that_is_never_ready_is_named() -> None:
    servicer = Flaky(refusals=9)
    with pytest.raises(UnavailableError, match=r"the learner at 127\.0\.0\.1:\d+ answered UNAVAILABLE: load"):
        asked(servicer, patience=0.25)
    assert servicer.calls == 2
