"""`bazel run //benchmarks:speed`: measures the ratios of docs/results/speed.md, one after the other.

Each benchmark runs in a separate process, and appends its result to one file. If a benchmark's result is
already there, it is skipped, so that the same command continues after an interruption. Nothing else should
run on the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import NoSections, Syntax
from core.errors import InvalidInputError
from core.paths import user_path


@dataclass(frozen=True)
class Measurement:
    """A benchmark with its options."""

    name: str
    module: str
    options: tuple[str, ...] = ()


COMPACT = (
    *("--planner.prompt_format", "compact", "--executor.prompt_format", "compact"),
    *("--planner.history", "2", "--executor.history", "2", "--learner.pack_tokens", "1024"),
    *("--lora.last_layers", "none"),
)
"""The prompts and adapters of the default configuration."""

MEASUREMENTS = (
    Measurement("push", "benchmarks.push"),
    Measurement("rollout", "benchmarks.rollout"),
    Measurement("iteration", "benchmarks.iteration"),
    Measurement("engine", "benchmarks.engine"),
    Measurement("engine-unshared", "benchmarks.engine", ("--shared", "0")),
    Measurement("training", "benchmarks.training"),
    Measurement("training-compact", "benchmarks.training", (*COMPACT, "--episodes", "3")),
    Measurement("critic", "benchmarks.critic"),
    Measurement("critic-compact", "benchmarks.critic", (*COMPACT, "--rounds", "1")),
    Measurement("hae", "benchmarks.hae"),
)


class Flags(Section):
    """Options of this command."""

    results: Path = Path("speed_results.md")
    """File of the results."""
    only: tuple[str, ...] = ()
    """Names of the benchmarks to run, such as `push,engine-unshared`; empty means all."""


SYNTAX = Syntax("benchmarks", NoSections, Flags, "Measures all ratios of docs/results/speed.md.")


def measured(file: Path) -> set[str]:
    """Names of the benchmarks whose result the file has."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {line.removeprefix("## ") for line in lines if line.startswith("## ")}


def run(argv: Sequence[str]) -> int:
    flags = parse(argv, SYNTAX).flags
    if unknown := set(flags.only) - {one.name for one in MEASUREMENTS}:
        names = ", ".join(one.name for one in MEASUREMENTS)
        raise InvalidInputError(f"--only: {', '.join(sorted(unknown))}; there are {names}")
    file, failed = user_path(flags.results), []
    there = measured(file)
    for one in MEASUREMENTS:
        if flags.only and one.name not in flags.only:
            continue
        if one.name in there:
            print(f"{one.name}: in {file} already", flush=True)
        elif not _succeeds(one, file):
            failed.append(one.name)
    if failed:
        print(f"failed: {', '.join(failed)}; the same command runs these again", file=sys.stderr)
    return 1 if failed else 0


def _succeeds(one: Measurement, file: Path) -> bool:
    print(f"\n{one.name}", flush=True)
    named = ("--results", str(file), "--title", one.name)
    command = [sys.executable, "-m", one.module, *one.options, *named]
    path = os.pathsep.join(place for place in sys.path if place)
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode == 0


if __name__ == "__main__":
    main(run)
