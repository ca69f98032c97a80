"""Calls to the model servers of a role, each of which any of them may answer."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from core.errors import ExhaustedError, HiperError, UnavailableError
from core.role import Role
from core.together import cancelled
from orchestrator.clients.directory import Directory
from orchestrator.clients.models import Method
from play.picker import Picker
from serving.rpc.codes import reason_of
from serving.rpc.connection import Server, explained
from serving.rpc.retry import WORTH_RETRYING, RetryPolicy

ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True)
class CallLimits:
    """The times within which calls are answered."""

    seconds: float
    """Seconds until one try reaches its deadline."""
    policy: RetryPolicy
    """Seconds in which a call is tried again, and the pauses once no other server is left to be tried."""
    unready_seconds: float
    """Seconds without any ready server after which a call fails."""


class NobodyReadyError(UnavailableError):
    """No server of a role is ready."""


class PoolCalls:
    """Makes the calls of all episodes to the servers of a role.

    The calls keep no state at the servers, and carry the seed of their sampling. So a call that one server
    does not answer is made again at another, with the same request.
    """

    def __init__(
        self,
        role: Role,
        directory: Directory,
        limits: CallLimits,
        open_channel: Callable[[str], grpc.aio.Channel],
    ) -> None:
        """`open_channel` opens a channel to an address."""
        self._role, self._directory, self._limits = role, directory, limits
        self._picker: Picker = directory.pickers[role]
        self._jitter = random.Random(limits.policy.seed)
        self._open_channel = open_channel
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def call(self, episode: str, method: Method[ResponseT], request: Any) -> ResponseT:
        """The response of the first server that answers.

        Each ready server is tried once. Then there is a pause, which ends early if other servers are ready.

        Raises:
            HiperError: the request is wrong, or no server has answered in time; the message names the last
                one that was tried.
        """
        policy, last = self._limits.policy, HiperError()
        began = unready_since = policy.clock()
        for rounds in itertools.count(1):
            last_try = began + policy.patience
            try:
                return await self._round(episode, method, request, last_try)
            except NobodyReadyError:
                last = self._nobody(policy.clock() - unready_since)
                last_try = min(last_try, unready_since + self._limits.unready_seconds)
            except WORTH_RETRYING as error:
                last, unready_since = error, policy.clock()
            pause = policy.pause(rounds, self._jitter)
            if policy.clock() + pause > last_try or self._directory.failure is not None:
                break
            await _first(policy.sleep(pause), self._directory.changed())
        raise last

    async def _round(
        self, episode: str, method: Method[ResponseT], request: Any, last_try: float
    ) -> ResponseT:
        """Tries each ready server once, the last one at the time `last_try`."""
        tried: set[str] = set()
        last: HiperError | None = None
        while address := self._picker.pick(episode, but=tried):
            try:
                return await self._attempt(address, method, request)
            except WORTH_RETRYING as error:
                last = error
            # A server that is only full need not be avoided by other episodes.
            if not isinstance(last, ExhaustedError):
                self._picker.failed(address)
            tried.add(address)
            if self._limits.policy.clock() > last_try:
                break
        raise last or NobodyReadyError

    async def _attempt(self, address: str, method: Method[ResponseT], request: Any) -> ResponseT:
        with self._picker.calling(address):
            try:
                channel = await self._channel(address)
                return await method(channel)(request, timeout=self._limits.seconds)
            except grpc.aio.AioRpcError as error:
                server = Server(self._role.value, address)
                code, details = error.code(), error.details() or ""
                raise explained(server, code, details, self._limits.seconds, reason_of(error)) from error

    def _nobody(self, seconds: float) -> HiperError:
        return self._directory.failure or NobodyReadyError(
            f"no {self._role.value} has been ready for {seconds:.0f} s (pool.patience_seconds, "
            f"orchestrator.patience_seconds): {self._directory.described(self._role)}"
        )

    async def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = self._open_channel(address)
            there = self._directory.addresses(self._role)
            left = self._channels.keys() - there - {address}
            for gone in [each for each in left if not self._picker.calls(each)]:
                await self._channels.pop(gone).close()
        return self._channels[address]

    async def close(self) -> None:
        """Closes all channels; calls in flight are cancelled."""
        while self._channels:
            await self._channels.popitem()[1].close()


@dataclass(frozen=True)
class EpisodeCalls:
    """The calls of one episode to the servers of a role."""

    pool: PoolCalls
    episode: str
    """Id of the episode."""

    async def call(self, method: Method[ResponseT], request: Any) -> ResponseT:
        """The response; see `PoolCalls.call`."""
        return await self.pool.call(self.episode, method, request)


async def _first(*work: Awaitable[None]) -> None:
    """Returns when the first has returned; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancelled(*tasks)
