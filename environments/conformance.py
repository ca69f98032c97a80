"""`bazel run //environments:conformance -- alfworld|webshop FILE`: compares an engine with a recording."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from configuration.command import main as run
from configuration.command import parse
from configuration.syntax import Argument, NoFlags
from environments import command
from environments.conformance_report import ConformanceReport
from environments.errors import UnknownEnvironmentError
from environments.locations import shared_data_path

VARIABLES = {"alfworld": "ALFWORLD_DATA", "webshop": "WEBSHOP_DATA"}


SYNTAX = command.syntax(
    "conformance",
    "Replays a recording of a reference implementation and compares every answer. The last line is `N steps, "
    "D differences`, after the first difference, if any; the exit code is 0 only for D = 0. --data names the "
    "benchmark's files, else they are taken where they are found; --seed is that of WebShop's goals, instead "
    "of the recorded one.",
    NoFlags,
    (command.BENCHMARK, Argument("FILE", "the recording: JSON lines, packed with xz or not")),
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings = line.configuration.environment
    if settings.name not in VARIABLES:
        raise UnknownEnvironmentError(settings.name, VARIABLES)
    seed = settings.seed if "seed" in settings.model_fields_set else None
    report = replay(settings.name, command.existing_file(line.arguments[0]), settings.data, seed)
    if report.first is not None:
        print(report.first)
    print(f"{report.steps} steps, {report.differences} differences")
    return 0 if report.differences == 0 else 1


def replay(name: str, file: Path, data: Path | None, seed: int | None) -> ConformanceReport:
    """Replays with the benchmark's `conformance` module; without `data`, looks for it in the usual places."""
    found = shared_data_path(data, VARIABLES[name], name)
    report: ConformanceReport = import_module(f"environments.{name}.conformance").replay(file, found, seed)
    return report


if __name__ == "__main__":
    run(main)
