"""Makes model servers answer with given adapters."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import ClaimedError
from core.role import Role
from core.together import together
from run_folder.adapters import AdapterChoice
from serving.adapters.client import AdapterClient
from serving.adapters.origin import base_of
from serving.adapters.publisher import AdapterPublisher
from serving.adapters.sender import AdapterSender, Target
from serving.rpc.connection import Connection


async def serve(
    choice: AdapterChoice,
    connections: Mapping[Role, Sequence[Connection]],
    seconds: float,
    take_over: bool = False,
) -> None:
    """Pushes the adapters; returns once all servers answer new calls with them.

    Args:
        choice: Adapters, or the base model alone.
        connections: To the servers of each role.
        seconds: In which the servers must be reached.
        take_over: Whether to replace the adapters of a run that has claimed the servers.

    Raises:
        ClaimedError: a run has claimed a server; names it.
        PreconditionError: a server refused its adapter, because of another base model, for example; says why.
        UnavailableError: a server could not be reached within that many seconds.
    """
    try:
        await _serve(choice, connections, seconds, take_over)
    except ClaimedError as error:
        raise ClaimedError(
            f"{error}. Its episodes need its own adapters; --take-over replaces them all the same"
        ) from error


async def _serve(
    choice: AdapterChoice, connections: Mapping[Role, Sequence[Connection]], seconds: float, take_over: bool
) -> None:
    if choice.pair is None:
        await together(
            *(AdapterClient(each).serve_base(take_over) for those in connections.values() for each in those)
        )
        return
    # A new run id: within a run, a server refuses versions that are older than its current one.
    run_id = f"push-{secrets.token_hex(4)}"
    await asyncio.gather(
        *(
            _push(role, choice.version, choice.pair.of(role), each, run_id, seconds, take_over)
            for role, those in connections.items()
            for each in those
        )
    )


async def _push(
    role: Role,
    version: int,
    folder: Path,
    connection: Connection,
    run_id: str,
    seconds: float,
    take_over: bool,
) -> None:
    base = base_of(folder) or (await AdapterClient(connection).state()).base_model
    target = Target(connection.server.address, connection.channel)
    sender = AdapterSender(run_id, base, seconds / 3, take_over=take_over)
    await AdapterPublisher(target, sender, seconds).publish(role, version, folder)
