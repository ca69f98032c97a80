"""Brings model servers to answer with given adapters."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path

from core.role import Role
from core.together import together
from run_folder.adapters import AdapterChoice
from serving.adapters.client import AdapterClient
from serving.adapters.origin import base_of
from serving.adapters.publisher import AdapterPublisher, Target
from serving.rpc.connection import Connection


async def serve(choice: AdapterChoice, connections: Mapping[Role, Connection], seconds: float) -> None:
    """Returns once these servers answer new calls with the adapters of their roles.

    Raises:
        PreconditionError: a server refused its adapter, such as one of another base model; says why.
        UnavailableError: a server took none within that many seconds.
    """
    if choice.pair is None:
        await together(*(AdapterClient(each).serve_base() for each in connections.values()))
        return
    # A run of its own: a server refuses versions that are older than the one it has of a run.
    run_id = f"push-{secrets.token_hex(4)}"
    await asyncio.gather(
        *(
            _push(role, choice.version, choice.pair.of(role), each, run_id, seconds)
            for role, each in connections.items()
        )
    )


async def _push(
    role: Role, version: int, folder: Path, connection: Connection, run_id: str, seconds: float
) -> None:
    base = base_of(folder) or (await AdapterClient(connection).state()).base_model
    target: Mapping[Role, Target] = {role: Target(connection.server.address, connection.channel)}
    await AdapterPublisher(target, run_id, base, seconds).publish(role, version, folder)
