"""`bazel run //orchestrator:push -- --checkpoint RUN_DIR`: gives a run's adapters to running servers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from pydantic import Field
from rich.console import Console

from configuration import command
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.role import Role
from orchestrator.servers import ending
from orchestrator.servers.connections import connect
from orchestrator.servers.pushing import serve
from run_folder.adapters import AdapterChoice, named
from serving.rpc.connection import Connection


class Flags(Section):
    """Options of this command alone; `--planner.address`, `--executor.address` or both name the servers."""

    checkpoint: str = ""
    """Adapters to push: a run's folder, one of its checkpoints, a folder with the PEFT folders `planner` and
    `executor`, or `base` (no adapter)."""
    version: int | None = Field(None, ge=0)
    """Version of a run's adapters; the newest unless given."""
    take_over: bool = False
    """Whether to replace the adapters of a run that uses the servers now."""


def push(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = command.read(argv, "push", Flags)
    flags, configuration = line.flags, line.configuration
    if not flags.checkpoint:
        raise ConfigurationError(
            "nothing to push: --checkpoint takes a run's folder, one of its checkpoints, a folder with PEFT "
            "folders `planner` and `executor`, or `base`"
        )
    addresses = {role: configuration.model_server(role).addresses for role in Role}
    there = {role: those for role, those in addresses.items() if those}
    if not there:
        raise ConfigurationError(
            "nowhere to push to: --planner.address HOST:PORT and --executor.address HOST:PORT say where the "
            "servers are, one or both"
        )
    choice = named(flags.checkpoint, flags.version)
    ending.run(_pushed(choice, configuration, there, flags.take_over))
    for role, those in there.items():
        told = choice.folders.get(role.value, "the base model alone")
        Console().print(f"{role.value} at {', '.join(those)}: {told}", highlight=False, soft_wrap=True)
    return 0


async def _pushed(
    choice: AdapterChoice, configuration: Configuration, there: dict[Role, tuple[str, ...]], take_over: bool
) -> None:
    async with AsyncExitStack() as open_channels:
        connections: dict[Role, list[Connection]] = {role: [] for role in there}
        for role, address in [(role, address) for role, those in there.items() for address in those]:
            connections[role].append(await connect(configuration, role.value, address))
            open_channels.push_async_callback(connections[role][-1].channel.close)
        await serve(choice, connections, configuration.orchestrator.start_seconds, take_over)


if __name__ == "__main__":
    command.main(push)
