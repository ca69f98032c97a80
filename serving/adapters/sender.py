"""Sends an adapter to a model server in chunks, with a hash: one attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from core.errors import ClaimedError, PreconditionError, UnavailableError
from core.role import Role
from serving.adapters.claims import ServerClaims
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, folder_hash
from serving.rpc.codes import REASONS, reason_of
from trajectory.role_wire import ROLE_TO_PB

_CHUNK_BYTES = 512 * 1024
_WORTH_RETRYING = (
    grpc.StatusCode.UNAVAILABLE,
    # The server is receiving as many pushes as it allows, or its disk is full.
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # gRPC's code if the server ended during the call.
    grpc.StatusCode.CANCELLED,
    # This attempt took too long, but there is time for another.
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


@dataclass(frozen=True)
class Target:
    """A model server that receives adapters."""

    address: str
    channel: grpc.aio.Channel


@dataclass(frozen=True)
class Shipment:
    """An adapter to be sent."""

    role: Role
    version: int
    sha256: bytes
    folder: Path
    """PEFT folder."""

    @classmethod
    def of(cls, role: Role, version: int, folder: Path) -> Shipment:
        """Reads the whole folder for its hash."""
        return cls(role, version, folder_hash(folder), folder)


@dataclass(frozen=True)
class AdapterSender:
    """Sends the adapters of one run."""

    run_id: str
    base_model: str
    """Fingerprint of the base model."""
    seconds: float
    """Deadline of an attempt: what a server has taken by then is acknowledged when it is sent again."""
    epoch: int = 0
    claims: ServerClaims | None = None
    """Claims of the run; each server is claimed before it is sent anything."""
    take_over: bool = False
    """Whether the claim of another run does not count."""

    async def send(self, target: Target, shipment: Shipment) -> str:
        """Sends an adapter; once this returns, the server answers new calls with it.

        Returns:
            The incarnation of the server.

        Raises:
            UnavailableError: the server cannot take it now; says why.
            PreconditionError: the server has refused it, or answers with another one; says why.
            ClaimedError: another run has claimed the server; names it.
        """
        name = f"the {shipment.role.value} at {target.address}"
        header = self._header(shipment)
        try:
            if self.claims is not None:
                await self.claims.claim(target.channel)
            stub = pb_grpc.AdapterServiceStub(target.channel)
            parts = _parts(header, shipment.folder / WEIGHTS_FILE)
            response = await stub.Push(parts, timeout=self.seconds)
        except grpc.aio.AioRpcError as error:
            if reason_is_lost(error) or error.code() in _WORTH_RETRYING:
                raise UnavailableError(error.details() or error.code().name) from error
            kind = ClaimedError if reason_of(error) == REASONS[ClaimedError] else PreconditionError
            raise kind(f"{name} refused version {shipment.version}: {error.details()}") from error
        _check_served(target, header, response.state)
        return response.state.incarnation

    def _header(self, shipment: Shipment) -> pb.AdapterHeader:
        return pb.AdapterHeader(
            run_id=self.run_id,
            role=ROLE_TO_PB[shipment.role],
            version=shipment.version,
            base_model=self.base_model,
            config_json=(shipment.folder / CONFIG_FILE).read_bytes(),
            weights_size=(shipment.folder / WEIGHTS_FILE).stat().st_size,
            sha256=shipment.sha256,
            epoch=self.epoch,
            take_over=self.take_over,
        )


def _check_served(target: Target, header: pb.AdapterHeader, state: pb.AdapterState) -> None:
    """A server that has acknowledged an adapter need not serve it: it may keep it beside a newer one."""
    pushed = (header.run_id, header.epoch, header.version, header.sha256)
    if (state.run_id, state.epoch, state.version, state.sha256) != pushed:
        raise PreconditionError(
            f"the server at {target.address} has taken version {header.version} of run {header.run_id}, "
            f"epoch {header.epoch}, but answers with version {state.version} of run "
            f"{state.run_id or 'none'}, epoch {state.epoch}, hash {state.sha256.hex()[:16] or 'none'}"
        )


def reason_is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether gRPC has lost the answer of a server that ended a stream while it was still being sent.

    The next attempt gets the answer.
    """
    return error.code() is grpc.StatusCode.INTERNAL and "Internal error from Core" in (error.details() or "")


async def _parts(header: pb.AdapterHeader, weights: Path) -> AsyncIterator[pb.PushRequest]:
    yield pb.PushRequest(header=header)
    with weights.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield pb.PushRequest(chunk=chunk)
