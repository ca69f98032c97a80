"""Claims model servers for a run, and renews the claims for as long as the run's learner lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

log = logging.getLogger(__name__)

CLAIM_SECONDS = 30.0
"""Time that a claim lasts; three renewals may be lost before it lapses."""
_RENEWAL_SECONDS = CLAIM_SECONDS / 3
CALL_SECONDS = 5.0
"""Deadline of a claim."""


@dataclass
class ServerClaims:
    """The claims of one run."""

    run_id: str
    holder: str
    """Name of this process, such as host:pid."""
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    _claimed: set[grpc.aio.Channel] = field(default_factory=set, init=False, repr=False)
    _silent: set[grpc.aio.Channel] = field(default_factory=set, init=False, repr=False)
    """Channels of servers that did not renew the last time, which has been logged."""

    async def claim(self, channel: grpc.aio.Channel) -> None:
        """Claims the server at the other end, or renews the claim; a `grpc.aio.AioRpcError` says why not."""
        await self._call(channel, CLAIM_SECONDS)
        self._claimed.add(channel)

    def forget(self, channel: grpc.aio.Channel) -> None:
        """Does not renew this claim any more: its server is gone."""
        self._claimed.discard(channel)
        self._silent.discard(channel)

    async def keep(self) -> None:
        """Renews all claims until it is cancelled; a server that does not answer is asked again later."""
        while True:
            await self.sleep(_RENEWAL_SECONDS)
            await self._each(CLAIM_SECONDS)

    async def release(self) -> None:
        """Gives up all claims; those of servers that do not answer lapse by themselves."""
        await self._each(0.0)
        self._claimed.clear()

    async def _each(self, seconds: float) -> None:
        channels = list(self._claimed)
        outcomes = await asyncio.gather(
            *(self._call(channel, seconds) for channel in channels), return_exceptions=True
        )
        for channel, outcome in zip(channels, outcomes, strict=True):
            if isinstance(outcome, grpc.aio.AioRpcError):
                if channel not in self._silent:
                    log.warning("a claim was not renewed: %s: %s", outcome.code().name, outcome.details())
                self._silent.add(channel)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                self._silent.discard(channel)

    async def _call(self, channel: grpc.aio.Channel, seconds: float) -> None:
        request = pb.ClaimRequest(run_id=self.run_id, holder=self.holder, seconds=seconds)
        await pb_grpc.AdapterServiceStub(channel).Claim(request, timeout=CALL_SECONDS)
