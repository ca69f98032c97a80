"""Exports the turns of a run in one of several formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from core import shown
from core.errors import PreconditionError
from core.files import written_beside
from core.progress import Progress
from orchestrator.exporting import json_lines
from orchestrator.exporting.chunks import Chunk, Encode, chunks
from orchestrator.exporting.run_facts import RunFacts
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore

Format = Literal["jsonl", "parquet", "hf"]

_DATA = "data"
"""Folder of a data set's files."""


@dataclass(frozen=True)
class Writer:
    """Writes a format."""

    encode: Encode
    """Function that encodes some episodes; it runs in other processes, too."""
    write: Callable[[Iterable[bytes], Path], None]
    """Function that writes everything encoded, in order, into an empty folder."""
    has_card: bool = False
    """Whether the folder gets the card of a data set."""


def writer(format: Format, options: str) -> Writer:
    """The writer of a format.

    Args:
        format: The format.
        options: Options of this command, for a message.

    Raises:
        PreconditionError: the format needs pyarrow, which is not installed.
    """
    if format == "jsonl":
        return Writer(json_lines.encode, json_lines.write)
    try:
        from orchestrator.exporting import parquet
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        command = f"{shown.command('//orchestrator:export')} {options}"
        raise PreconditionError(
            f"--to {format} needs the package pyarrow, which is not installed: "
            f"{shown.installation('export', command)}\n--to jsonl needs no further package"
        ) from error
    if format == "parquet":
        return Writer(parquet.encode, partial(parquet.write, stem="turns"))
    return Writer(parquet.encode, partial(_into_data, partial(parquet.write, stem="train")), has_card=True)


def _into_data(write: Callable[[Iterable[bytes], Path], None], parts: Iterable[bytes], folder: Path) -> None:
    (folder / _DATA).mkdir()
    write(parts, folder / _DATA)


@dataclass
class Written:
    """What an export has written so far."""

    episodes: int = 0
    turns: int = 0
    damaged: dict[int, str] = field(default_factory=dict)
    """Reason for each episode that could not be read, and was left out."""

    def add(self, chunk: Chunk) -> None:
        """Counts a chunk."""
        self.episodes += chunk.episodes
        self.turns += chunk.turns
        self.damaged |= chunk.damaged


def export(root: Path, writer: Writer, out: Path, report: Progress) -> Written:
    """Writes the turns of the run in `root` into the folder `out`, which appears only when it is complete.

    Raises:
        NotFoundError: the folder does not hold a run, or the run has no episodes yet.
        CorruptDataError: the configuration is damaged, or the file of episodes as a whole.
        ExhaustedError: the disk is full.
    """
    facts, path, written = RunFacts.of(root), RunFolder(root).episodes, Written()
    with closing(EpisodeStore.reading(path)) as store:
        run_id, numbers = store.run_id, sorted(store.numbers())
    with written_beside(out) as folder:
        found = chunks(path, numbers, writer.encode)
        writer.write(_counted(found, written, len(numbers), report), folder)
        if writer.has_card:
            # Imported here: it takes seconds, also in each process that encodes.
            from orchestrator.exporting.cards import CARD, dataset_card

            card = dataset_card(facts, run_id, written.episodes, written.turns, f"{_DATA}/*.parquet")
            (folder / CARD).write_text(card, encoding="utf-8")
    return written


def _counted(found: Iterable[Chunk], written: Written, total: int, report: Progress) -> Iterator[bytes]:
    for chunk in found:
        yield chunk.data
        written.add(chunk)
        done = written.episodes + len(written.damaged)
        report(done / total, f"{done} of {total} episodes")
