"""Runs every drill: `./bazelw run //tests/drills:all -- [--scale S | --minutes N] [--only NAME] [--seed S]`.

One table at the end has them all; with `--out docs/results/drills.md` it is written there, too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from core.paths import user_path
from tests.drills import (
    adapters,
    certificates,
    failpoints,
    files,
    messages,
    network,
    pools,
    report,
    rollouts,
    store,
    texts,
    vllm_switches,
)
from tests.drills.drill import Drill, Drills, Effort, Row, table

_COMMAND = "./bazelw run //tests/drills:all --"


@dataclass(frozen=True)
class Planned:
    """Drills that share their servers, and about what they take on two cores."""

    name: str
    drills: Drills
    whole: float
    """Minutes of the whole form."""
    start: float = 0.0
    """Minutes of the smallest form, in which servers start."""


def _alone(drill: Drill) -> Drills:
    return lambda effort: [drill(effort)]


PLAN: Sequence[Planned] = (
    Planned("store: kill -9", _alone(store.kills), whole=1),
    Planned("store: cut at every byte", _alone(store.truncations), whole=1),
    Planned("files: checkpoints", _alone(files.checkpoints), whole=2),
    Planned("files: adapters", _alone(files.adapters), whole=2),
    Planned("files: metrics", _alone(files.metrics), whole=1),
    Planned("files: configurations", _alone(files.configurations), whole=1),
    Planned("failpoints: counting", _alone(failpoints.counting), whole=2),
    Planned("failpoints: training", _alone(failpoints.training), whole=10),
    Planned("texts: answers", _alone(texts.answers), whole=1),
    Planned("texts: game files", _alone(texts.game_files), whole=1),
    Planned("texts: product files", _alone(texts.product_files), whole=1),
    Planned("messages: models", messages.models, whole=10, start=0.5),
    Planned("messages: learner", messages.learner, whole=10, start=0.5),
    Planned("adapters", adapters.adapters, whole=6, start=0.4),
    Planned("vllm_switches", _alone(vllm_switches.vllm_switches), whole=0.1),
    Planned("certificates", certificates.certificates, whole=2, start=0.1),
    Planned("network", network.network, whole=10, start=0.4),
    Planned("runs: killed with their learner", rollouts.on_models(rollouts.kills), whole=10, start=1),
    Planned("runs: killed alone", rollouts.on_models(rollouts.lone_kills), whole=15, start=0.5),
    Planned("runs: clocks", rollouts.on_models(rollouts.jumps), whole=5, start=0.5),
    Planned("pools: killed servers", _alone(pools.strikes), whole=15, start=1.5),
    Planned("pools: rolling restart", _alone(pools.rolling_restart), whole=0, start=2),
    Planned("runs: soak", rollouts.on_models(rollouts.endurance), whole=41, start=1),
)


def scale_for(minutes: float, plan: Sequence[Planned] = PLAN) -> float:
    """Share of each drill with which all of them take about that many minutes."""
    start = sum(each.start for each in plan)
    return min(1.0, max(0.0, minutes - start) / sum(each.whole for each in plan)) or 1e-3


def main() -> int:
    """The exit code: 1 if a drill failed."""
    options = argparse.ArgumentParser(description=__doc__)
    size = options.add_mutually_exclusive_group()
    size.add_argument("--scale", type=float, default=1.0, help="share of each drill; 1 is all faults")
    size.add_argument("--minutes", type=float, help="about how long all drills together may take")
    options.add_argument("--only", default="", help="beginning of the names of the drills to run")
    options.add_argument("--seed", type=int, default=0, help="seed of every random choice")
    options.add_argument("--out", type=Path, help="Markdown file for the table")
    given = options.parse_args()
    plan = [planned for planned in PLAN if planned.name.startswith(given.only)]
    if not plan:
        options.error(f"--only {given.only}: no drill has a name that begins like this")
    scale = given.scale if given.minutes is None else scale_for(given.minutes, plan)
    began = time.monotonic()
    rows = _all(plan, Effort(given.seed, scale), Console())
    if given.out:
        command = f"{_COMMAND} {' '.join(sys.argv[1:])}"
        report.write(user_path(given.out), rows, command, given.seed, time.monotonic() - began)
    return min(1, sum(not row.passed for row in rows))


def _all(plan: Sequence[Planned], effort: Effort, console: Console) -> list[Row]:
    rows: list[Row] = []
    for number, planned in enumerate(plan, 1):
        console.print(f"[{number}/{len(plan)}] {planned.name}", markup=False)
        began = time.monotonic()
        found = planned.drills(effort)
        for row in found:
            console.print(f"    {'passed' if row.passed else 'FAILED'}: {row.drill}", markup=False)
        console.print(f"    {time.monotonic() - began:.0f} s", markup=False)
        rows += found
    console.print(table(rows))
    return rows


if __name__ == "__main__":
    sys.exit(main())
