"""hiper.v1.AdapterService over an adapter slot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from core.errors import InvalidInputError
from core.role import Role
from serving.adapters.slot import AdapterManifest, AdapterSlot
from serving.engine import Engine

_ROLE_FROM_PB = {pb.ROLE_PLANNER: Role.PLANNER, pb.ROLE_EXECUTOR: Role.EXECUTOR}
_ROLE_TO_PB = {role: number for number, role in _ROLE_FROM_PB.items()}


class AdapterServicer(pb_grpc.AdapterServiceServicer):
    """Takes adapters in, and tells what is served."""

    def __init__(self, slot: AdapterSlot, engine: Engine) -> None:
        self._slot, self._engine = slot, engine

    async def Push(
        self, request_iterator: AsyncIterator[pb.PushRequest], context: grpc.aio.ServicerContext
    ) -> pb.PushResponse:
        parts = aiter(request_iterator)
        first = await anext(parts, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidInputError("the first part of a push must be its header")
        upload = self._slot.begin(_manifest(first.header))
        try:
            async for part in parts:
                if part.WhichOneof("part") != "chunk":
                    raise InvalidInputError("after the header of a push only chunks are accepted")
                upload.add(part.chunk)
            already_held = await self._slot.commit(upload)
        except Exception:
            upload.discard()
            raise
        return pb.PushResponse(state=self._state(), already_held=already_held)

    async def Rollback(
        self, request: pb.RollbackRequest, context: grpc.aio.ServicerContext
    ) -> pb.RollbackResponse:
        await self._slot.rollback(request.version)
        return pb.RollbackResponse(state=self._state())

    async def GetState(
        self, request: pb.GetStateRequest, context: grpc.aio.ServicerContext
    ) -> pb.AdapterState:
        return self._state()

    def _state(self) -> pb.AdapterState:
        state, counters, model = self._slot.state, self._engine.counters, self._slot.model
        return pb.AdapterState(
            role=_ROLE_TO_PB[self._slot.role],
            model=model.name,
            base_model=model.fingerprint,
            run_id=state.run_id,
            version=state.version,
            kept_versions=state.kept_versions,
            context_length=self._engine.context_length,
            generated_tokens=counters.generated_tokens,
            prompt_tokens=counters.prompt_tokens,
            shared_prompt_tokens=counters.shared_prompt_tokens,
        )


def _manifest(header: pb.AdapterHeader) -> AdapterManifest:
    return AdapterManifest(
        run_id=header.run_id,
        role=_ROLE_FROM_PB.get(header.role),
        version=header.version,
        base_model=header.base_model,
        config_json=header.config_json,
        weights_size=header.weights_size,
        sha256=header.sha256,
    )
