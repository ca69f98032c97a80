"""Sends adapters to the model servers in chunks, with a hash, and retries while a server is not ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc

from core.errors import ClaimedError, PreconditionError, UnavailableError
from core.role import Role
from serving.adapters.claims import ServerClaims
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, adapter_hash
from serving.rpc.codes import REASONS, reason_of

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
_ROLES = {Role.PLANNER: pb.ROLE_PLANNER, Role.EXECUTOR: pb.ROLE_EXECUTOR}


@dataclass(frozen=True)
class Target:
    """The model server that receives the adapters of a role."""

    address: str
    channel: grpc.aio.Channel


class AdapterPublisher:
    """Pushes each adapter to the server of its role."""

    def __init__(
        self,
        targets: Mapping[Role, Target],
        run_id: str,
        base_model: str,
        seconds: float,
        pause: float = 1.0,
        try_seconds: float | None = None,
        epoch: int = 0,
        claims: ServerClaims | None = None,
        take_over: bool = False,
    ) -> None:
        """`seconds` limits a push as a whole, with all attempts and the `pause`s between them.

        Each try ends after `try_seconds`, a third of that unless given: what a server has taken by then is
        acknowledged when it is sent again. With `claims`, each server is claimed for the run first; with
        `take_over`, the claim of another run does not count.
        """
        self._targets = targets
        self._run_id = run_id
        self._base_model = base_model
        self._seconds = seconds
        self._pause = pause
        self._try_seconds = try_seconds or seconds / 3
        self._epoch, self._claims, self._take_over = epoch, claims, take_over

    async def publish(self, role: Role, version: int, folder: Path) -> None:
        """Pushes an adapter; returns once the server answers new calls with it.

        Raises:
            UnavailableError: the server could not be reached in time; names it.
            PreconditionError: the server refused the adapter, or answers with another one; says why.
            ClaimedError: another run has claimed the server; names it.
        """
        target = self._targets[role]
        name = f"the {role.value} at {target.address}"
        header = await asyncio.to_thread(self._header, role, version, folder)
        refusal: str | None = None
        try:
            async with asyncio.timeout(self._seconds):
                while (refusal := await self._push(target, header, folder / WEIGHTS_FILE)) is not None:
                    await asyncio.sleep(self._pause)
        except TimeoutError as error:
            last = f"; its last answer: {refusal}" if refusal else ""
            raise UnavailableError(f"{name} took no adapter within {self._seconds:g} s{last}") from error
        except grpc.aio.AioRpcError as error:
            kind = ClaimedError if reason_of(error) == REASONS[ClaimedError] else PreconditionError
            raise kind(f"{name} refused version {version}: {error.details()}") from error

    async def _push(self, target: Target, header: pb.AdapterHeader, weights: Path) -> str | None:
        """Makes one attempt; returns why the server cannot take the adapter yet, or None if it has."""
        try:
            if self._claims is not None:
                await self._claims.claim(target.channel)
            stub = pb_grpc.AdapterServiceStub(target.channel)
            response = await stub.Push(_parts(header, weights), timeout=self._try_seconds)
        except grpc.aio.AioRpcError as error:
            if reason_is_lost(error) or error.code() in _WORTH_RETRYING:
                return error.details() or error.code().name
            raise
        _check_served(target, header, response.state)
        return None

    def _header(self, role: Role, version: int, folder: Path) -> pb.AdapterHeader:
        config = (folder / CONFIG_FILE).read_bytes()
        weights = folder / WEIGHTS_FILE
        return pb.AdapterHeader(
            run_id=self._run_id,
            role=_ROLES[role],
            version=version,
            base_model=self._base_model,
            config_json=config,
            weights_size=weights.stat().st_size,
            sha256=adapter_hash(config, weights),
            epoch=self._epoch,
            take_over=self._take_over,
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
