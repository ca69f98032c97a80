"""The table of the model servers, as it is shown."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from core.role import Role
from orchestrator.progress.pool_table import pool_table
from trajectory.pool import Member, MemberState, PoolTable, Replica


def test_a_row_for_each_server_with_what_its_pool_knows() -> None:
    planner = Replica(Role.PLANNER, "10.0.0.1:5001", "x", node="[bold]gpu-1", version=7)
    executor = Replica(Role.EXECUTOR, "10.0.0.2:5002", "y", node="gpu-2")
    table = PoolTable(
        "run-1",
        epoch=2,
        version=7,
        members=(
            Member(planner, MemberState.READY, bound_episodes=3, tokens_per_second=41.6, restarts=1),
            Member(executor, MemberState.CATCHING_UP, lag=8, reason="version 7 is being pushed"),
        ),
    )
    console = Console(file=StringIO(), width=160)
    console.print(pool_table(table))
    assert isinstance(console.file, StringIO)
    title, _, head, _, first, second, *_ = map(str.strip, console.file.getvalue().splitlines())
    assert title == "run run-1, epoch 2, version 7"
    assert head.split()[:4] == ["server", "node", "role", "state"]
    words = "10.0.0.2:5002 gpu-2 executor catching up base 8 0 0 0 version 7 is being pushed"
    assert " ".join(first.split()) == words
    assert " ".join(second.split()) == "10.0.0.1:5001 [bold]gpu-1 planner ready 7 0 3 42 1"
