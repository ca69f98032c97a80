"""`bazel run //orchestrator:pool -- --learner.address HOST:PORT`: shows and drains a run's model servers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from configuration import command
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
from orchestrator.progress.pool_table import pool_table
from orchestrator.servers import ending
from orchestrator.servers.connections import connect
from serving.pool.client import PoolClient

_WIDTH = 160
"""Width of the table, in columns, if the output is a file or a pipe."""


class Flags(Section):
    """Options of this command alone; `--learner.address` names the learner."""

    watch: bool = False
    """Whether to show each change until Ctrl-C."""
    drain: str = ""
    """Address of a server that is to be given no new episodes."""
    undo: bool = False
    """Whether to give the server of `--drain` episodes again."""


def pool(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = command.read(argv, "pool", Flags)
    if line.configuration.learner.address is None:
        raise ConfigurationError("whose servers? --learner.address HOST:PORT names the learner")
    if line.flags.undo and not line.flags.drain:
        raise ConfigurationError("--undo needs --drain ADDRESS, the server to be given episodes again")
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    ending.run(_shown(line.configuration, line.configuration.learner.address, line.flags, console))
    return 0


async def _shown(configuration: Configuration, address: str, flags: Flags, console: Console) -> None:
    connection = await connect(configuration, "learner", address)
    try:
        client = PoolClient(connection)
        if flags.drain:
            await client.drain(flags.drain, flags.undo)
        await _show(client, flags.watch, console)
    finally:
        await connection.channel.close()


async def _show(client: PoolClient, watch: bool, console: Console) -> None:
    if not watch or not console.is_terminal:
        async for table in client.tables(once=not watch):
            console.print(pool_table(table))
        return
    with Live(console=console, auto_refresh=False) as live:
        async for table in client.tables():
            live.update(pool_table(table), refresh=True)


if __name__ == "__main__":
    command.main(pool)
