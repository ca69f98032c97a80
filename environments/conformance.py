"""`bazel run //environments:conformance -- alfworld|webshop FILE [--data PATH] [--seed S]`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from core.paths import user_path
from environments import command
from environments.conformance_report import ConformanceReport
from environments.locations import shared_data_path

VARIABLES = {"alfworld": "ALFWORLD_DATA", "webshop": "WEBSHOP_DATA"}


def main() -> int:
    options = command.parser(
        "Replays a recording of a reference implementation and compares every answer. The last line is "
        "`N steps, D differences`, after the first difference, if any; the exit code is 0 only for D = 0."
    )
    options.add_argument("name", choices=sorted(VARIABLES), help="the benchmark that was recorded")
    options.add_argument(
        "file", type=command.existing_file, help="the recording: JSON lines, packed with xz or not"
    )
    options.add_argument(
        "--data", type=user_path, default=None, help="the benchmark's files; else where they are found"
    )
    options.add_argument(
        "--seed", type=int, default=None, help="WebShop: seed of the goals, instead of the recorded one"
    )
    arguments = options.parse_args()
    report = replay(arguments.name, arguments.file, arguments.data, arguments.seed)
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
    command.end(main)
