"""A typed client of a model server's adapter service."""

from __future__ import annotations

from dataclasses import dataclass

from hiper.v1 import adapter_pb2, adapter_pb2_grpc

from serving.rpc.connection import Connection
from trajectory.role_wire import ROLE_FROM_PB


@dataclass(frozen=True)
class AdapterState:
    """The state of a model server."""

    role: str
    """Name of the role: `planner` or `executor`."""
    model: str
    base_model: str
    """Fingerprint of the base model."""
    run_id: str
    version: int
    """Version of the adapter; -1 for the base model alone."""
    generated_tokens: int
    prompt_tokens: int
    shared_prompt_tokens: int
    epoch: int
    """Of the served adapter; 0 for the base model alone."""
    claimed_by: str | None
    """The run that has claimed the server; None if there is none."""
    sha256: bytes
    """Hash of the served adapter; empty for the base model alone."""
    incarnation: str
    """Drawn at random each time that the server starts."""
    node: str
    """Name of the machine that it runs on."""


class AdapterClient:
    """Reads and changes which adapter a model server uses."""

    def __init__(self, connection: Connection) -> None:
        self._stub = adapter_pb2_grpc.AdapterServiceStub(connection.channel)
        self._connection = connection

    async def state(self) -> AdapterState:
        """The current state; a `HiperError` names the server."""
        request = adapter_pb2.GetStateRequest()
        state = await self._connection.call(self._stub.GetState, request)
        role = ROLE_FROM_PB.get(state.role)
        return AdapterState(
            role=role.value if role else "unknown",
            model=state.model,
            base_model=state.base_model,
            run_id=state.run_id,
            version=state.version,
            generated_tokens=state.generated_tokens,
            prompt_tokens=state.prompt_tokens,
            shared_prompt_tokens=state.shared_prompt_tokens,
            epoch=state.epoch,
            claimed_by=state.claim.run_id if state.HasField("claim") else None,
            sha256=state.sha256,
            incarnation=state.incarnation,
            node=state.node,
        )

    async def sleep(self, run_id: str) -> None:
        """Has the server's engine sleep while this run updates. A `HiperError` names the server."""
        await self._connection.call(self._stub.Sleep, adapter_pb2.SleepRequest(run_id=run_id))

    async def serve_base(self, take_over: bool = False) -> None:
        """The base model alone answers from now on. A `HiperError` names the server.

        With `take_over`, also if a run has claimed the server.
        """
        request = adapter_pb2.RollbackRequest(version=-1, take_over=take_over)
        await self._connection.call(self._stub.Rollback, request)
