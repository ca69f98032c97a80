"""`bazel run //studies:nano_base -- --out DIR`: makes a small base model; `--check N` has it play N games."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.table import Table

from configuration.command import main, read
from configuration.files import read_toml
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.paths import user_path
from core.progress import progress
from serving.model import resolve_model
from studies.nano.base import BaseSettings, nano_base
from studies.nano.evaluation import Report, System, play_generated
from studies.nano.settings import NanoSettings
from trajectory.episode import Episode

PRESET = Path(__file__).parent.parent / "presets" / "nano.toml"


class NanoFlags(NanoSettings):
    """Options of this command."""

    out: Path | None = None
    """Folder that the model is written to; a model that it holds is replaced."""
    check: int = Field(0, ge=0)
    """Number of games to play afterwards, with the model as planner and as executor."""
    check_split: str = "valid_unseen"
    """Split that the games of `--check` are from."""


def run(argv: Sequence[str]) -> int:
    line = read(argv, "nano_base", NanoFlags, base=read_toml(PRESET))
    configuration, flags = line.configuration, line.flags
    out = _out(flags)
    console = Console()
    chosen = {name: getattr(flags, name) for name in NanoSettings.model_fields}
    settings = BaseSettings(
        NanoSettings(**chosen),
        configuration.environment,
        configuration.planner,
        configuration.executor,
        configuration.run.seed,
    )
    with progress(console, "nano base") as report:
        cached = nano_base(settings, out, report)
    console.print(f"{'found in the cache' if cached else 'made'}: {out}", soft_wrap=True)
    if flags.check:
        console.print(_table(_check(configuration, flags, out, console), flags))
    return 0


def _out(flags: NanoFlags) -> Path:
    if flags.out is None:
        raise ConfigurationError("--out DIR says where to write the model")
    out = user_path(str(flags.out))
    if out.exists() and not (out / "config.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"--out {out} is not a model; a new or empty folder is accepted")
    return out


def _check(configuration: Configuration, flags: NanoFlags, model: Path, console: Console) -> Report:
    system = System(resolve_model(str(model)), configuration.planner)
    played = itertools.count(1)
    with progress(console, "check") as report:

        def ended(_: Episode) -> None:
            number = next(played)
            report(number / flags.check, f"game {number} of {flags.check}")

        _, outcome = play_generated(configuration, system, flags.check_split, flags.check, ended)
    return outcome


def _table(report: Report, flags: NanoFlags) -> Table:
    table = Table("measure", "value", title=f"{flags.check} games of {flags.check_split}, temperature 1")
    for field in fields(report):
        value = getattr(report, field.name)
        shown = str(value) if field.name == "success" else f"{value:.3g}"
        table.add_row(field.name.replace("_", " "), shown)
    return table


if __name__ == "__main__":
    main(run)
