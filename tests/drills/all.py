"""`./bazelw run //tests/drills:all -- [--scale X] [--seed S]`: runs every drill, and prints a table."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console

from tests.drills import failpoints, files, messages, store, texts
from tests.drills.drill import Drill, Drills, Effort, Row, table

DRILLS: tuple[Drill, ...] = (
    store.kills,
    store.truncations,
    files.checkpoints,
    files.adapters,
    files.metrics,
    files.configurations,
    failpoints.counting,
    failpoints.training,
    texts.answers,
    texts.game_files,
    texts.product_files,
)
SYSTEMS: tuple[Drills, ...] = (messages.messages,)


def main() -> int:
    """Runs the drills; returns 0 if all passed, otherwise 1."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="share of the faults of each drill, 0 to 1")
    options.add_argument("--seed", type=int, default=0, help="seed of every random choice")
    given = options.parse_args()
    console = Console()
    rows: list[Row] = []
    effort = Effort(given.seed, given.scale)
    for drill in DRILLS:
        began = time.monotonic()
        rows.append(drill(effort))
        console.print(f"{rows[-1].drill}: {time.monotonic() - began:.0f} s")
    for drills in SYSTEMS:
        rows += drills(effort)
    console.print(table(rows))
    return min(1, sum(not row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
