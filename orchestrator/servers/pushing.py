"""Makes model servers answer with given adapters."""

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
    """Pushes the adapters; returns once both servers answer new calls with them.

    Raises:
        PreconditionError: a server refused its adapter, because of another base model, for example; says why.
        UnavailableError: a server could not be reached within that many seconds.
    """
    if choice.pair is None:
        await together(*(AdapterClient(each).serve_base() for each in connections.values()))
        return
    # A new run id: within a run, a server refuses versions that are older than its current one.
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
