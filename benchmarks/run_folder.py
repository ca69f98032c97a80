"""`bazel run //benchmarks:run_folder -- RUN_DIR`: seconds of the report and the export of a long run.

The episodes of a real run are repeated until there are `--episodes`, in a run folder of their own.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.table import Table

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from core.errors import NotFoundError, PreconditionError
from core.paths import user_path
from core.progress import Progress, progress
from orchestrator import report
from orchestrator.exporting import turns
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore

_MEGABYTE = 1e6


class Flags(Section):
    """Options of this benchmark."""

    episodes: int = Field(10_000, ge=1)
    """Number of episodes of the long run."""


SYNTAX = Syntax(
    "run_folder",
    NoSections,
    Flags,
    "Times the report and the export of a long run.",
    arguments=(Argument("RUN_DIR", "the folder of a run, whose episodes are repeated"),),
)


def measure(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    line = parse(argv, SYNTAX)
    source, console = RunFolder(user_path(line.arguments[0])), Console()
    table = Table("work", "seconds", "MB", "MB/s", title=f"{line.flags.episodes:,} episodes")
    with tempfile.TemporaryDirectory() as name:
        long = RunFolder(Path(name) / "long")
        with progress(console, "repeat the episodes") as told:
            _repeat(source, long, line.flags.episodes, told)
        for work, run, written in _works(long):
            began = time.monotonic()
            try:
                run()
            except PreconditionError as error:
                console.print(f"{work}: {error}", markup=False)
                continue
            seconds = time.monotonic() - began
            size = sum(path.stat().st_size for path in written.rglob("*") if path.is_file()) / _MEGABYTE
            table.add_row(work, f"{seconds:.1f}", f"{size:.0f}", f"{size / seconds:.1f}")
    console.print(table)
    return 0


def _works(run: RunFolder) -> list[tuple[str, Callable[[], object], Path]]:
    """Name of each piece of work, what does it, and the folder that it writes."""

    def written() -> Path:
        return report.write(report.read(run.root), run.root)

    def export(format: turns.Format) -> tuple[str, Callable[[], object], Path]:
        out = run.exports / format
        return (
            f"export to {format}",
            lambda: turns.export(run.root, turns.writer(format, ""), out, lambda *_: None),
            out,
        )

    pages = run.root / "report"
    return [
        ("report", written, pages),
        ("report again, nothing new", written, pages),
        export("jsonl"),
        export("parquet"),
    ]


def _repeat(source: RunFolder, long: RunFolder, count: int, told: Progress) -> None:
    """Fills `long` with so many copies of the episodes of `source`."""
    long.root.mkdir()
    for path in (source.configuration, source.metrics):
        if path.is_file():
            shutil.copyfile(path, long.root / path.name)
    with (
        closing(EpisodeStore.reading(source.episodes)) as played,
        closing(EpisodeStore(long.episodes, run_id="long")) as store,
    ):
        numbers = sorted(played.numbers())
        if not numbers:
            raise NotFoundError(f"{source.root} has no episodes to repeat")
        for place, number in enumerate(itertools.islice(itertools.cycle(numbers), count)):
            message = played.message(number)
            message.number = place
            store.add(message)
            store.set_advantages(place, played.advantages(number))
            told((place + 1) / count, f"{place + 1} of {count}")


if __name__ == "__main__":
    main(measure)
