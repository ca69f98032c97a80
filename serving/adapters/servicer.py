"""The gRPC service hiper.v1.AdapterService, which passes calls on to an adapter slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from core.errors import ExhaustedError, InvalidInputError
from serving.adapters.claim import Claim
from serving.adapters.slot import AdapterSlot
from serving.adapters.upload import AdapterManifest
from serving.engine import Engine
from serving.pool.identity import ServerIdentity
from trajectory.role_wire import ROLE_FROM_PB, ROLE_TO_PB


class AdapterServicer(pb_grpc.AdapterServiceServicer):
    """Receives adapters, and reports the state."""

    def __init__(
        self,
        slot: AdapterSlot,
        engine: Engine,
        idle_seconds: float = 30.0,
        identity: ServerIdentity | None = None,
    ) -> None:
        """A push is ended if none of its parts arrives for `idle_seconds`.

        Without `identity`, one is drawn.
        """
        self._slot, self._engine, self._idle_seconds = slot, engine, idle_seconds
        self._identity = identity or ServerIdentity.draw()

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: grpc.aio.ServicerContext
    ) -> pb.PushResponse:
        parts = _each_within(self._idle_seconds, request_iterator)
        first = await anext(parts, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidInputError("the first part of a push must be its header")
        already_held = await self._slot.take(_manifest(first.header), _chunks(parts))
        return pb.PushResponse(state=self._state(), already_held=already_held)

    async def Rollback(
        self, request: pb.RollbackRequest, context: grpc.aio.ServicerContext
    ) -> pb.RollbackResponse:
        await self._slot.rollback(request.version, request.run_id, request.take_over)
        return pb.RollbackResponse(state=self._state())

    async def GetState(
        self, request: pb.GetStateRequest, context: grpc.aio.ServicerContext
    ) -> pb.AdapterState:
        return self._state()

    async def Claim(self, request: pb.ClaimRequest, context: grpc.aio.ServicerContext) -> pb.ClaimResponse:
        self._slot.claim.claim(request.run_id, request.holder, request.seconds)
        return pb.ClaimResponse(state=self._state())

    async def Sleep(self, request: pb.SleepRequest, context: grpc.aio.ServicerContext) -> pb.SleepResponse:
        await self._slot.sleep(request.run_id)
        return pb.SleepResponse(state=self._state())

    def _state(self) -> pb.AdapterState:
        state, counters, model = self._slot.state, self._engine.counters, self._slot.model
        return pb.AdapterState(
            role=ROLE_TO_PB[self._slot.role],
            model=model.name,
            base_model=model.fingerprint,
            run_id=state.run_id,
            version=state.version,
            kept_versions=state.kept_versions,
            context_length=self._engine.context_length,
            generated_tokens=counters.generated_tokens,
            prompt_tokens=counters.prompt_tokens,
            shared_prompt_tokens=counters.shared_prompt_tokens,
            epoch=state.epoch,
            sha256=state.sha256,
            claim=_claim_to_pb(self._slot.claim.current),
            incarnation=self._identity.incarnation,
            node=self._identity.node,
            asleep=self._slot.asleep,
        )


def _claim_to_pb(claim: Claim | None) -> pb.AdapterClaim | None:
    if claim is None:
        return None
    return pb.AdapterClaim(
        run_id=claim.run_id, holder=claim.holder, age_seconds=claim.age, left_seconds=claim.left
    )


async def _each_within(
    seconds: float, parts: AsyncIterator[pb.PushRequest]
) -> AsyncGenerator[pb.PushRequest, None]:
    """Yields the parts, each of which must arrive within that many seconds of the one before."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                part = await anext(parts, None)
        except TimeoutError:
            raise ExhaustedError(f"no part of the push has come for {seconds:g} s; try again") from None
        if part is None:
            return
        yield part


async def _chunks(parts: AsyncIterator[pb.PushRequest]) -> AsyncGenerator[bytes, None]:
    async for part in parts:
        if part.WhichOneof("part") != "chunk":
            raise InvalidInputError("after the header of a push only chunks are accepted")
        yield part.chunk


def _manifest(header: pb.AdapterHeader) -> AdapterManifest:
    return AdapterManifest(
        run_id=header.run_id,
        role=ROLE_FROM_PB.get(header.role),
        version=header.version,
        base_model=header.base_model,
        config_json=header.config_json,
        weights_size=header.weights_size,
        sha256=header.sha256,
        epoch=header.epoch,
        take_over=header.take_over,
    )
