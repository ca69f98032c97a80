"""The pools of model servers as a table for people."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from trajectory.pool import Member, MemberState, PoolTable

_STYLES = {
    MemberState.READY: "green",
    MemberState.SUSPECT: "yellow",
    MemberState.GONE: "red",
    MemberState.RETIRED: "red",
}


def pool_table(pools: PoolTable) -> Table:
    """A row for each server, by role and address."""
    title = f"run {pools.run_id or '(none yet)'}, epoch {pools.epoch}, version {pools.version}"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", pad_edge=False)
    for name in ("server", "node", "role", "state"):
        table.add_column(name, overflow="fold")
    for name in ("version", "lag", "episodes", "tokens/s", "restarts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for member in sorted(pools.members, key=lambda each: (each.replica.role.value, each.replica.address)):
        table.add_row(*_cells(member))
    return table


def _cells(member: Member) -> tuple[str, ...]:
    replica, style = member.replica, _STYLES.get(member.state)
    state = f"[{style}]{member.state.value}[/]" if style else member.state.value
    return (
        escape(replica.address),
        escape(replica.node),
        replica.role.value,
        state,
        str(replica.version) if replica.version >= 0 else "base",
        str(member.lag),
        str(member.bound_episodes),
        f"{member.tokens_per_second:.0f}",
        str(member.restarts),
        escape(member.reason),
    )
