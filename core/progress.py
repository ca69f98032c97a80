"""Progress of a long command: a bar on a terminal, at most about twenty lines in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

Progress = Callable[[float, str], None]
"""Callback that takes the share that is done, in [0, 1], and what is being done; callable from any thread."""

_LINES = 20


@contextmanager
def progress(console: Console, title: str) -> Iterator[Progress]:
    """Yields the callback that reports the progress of `title` to the console."""
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task(title, total=1.0)
            yield lambda share, message: bar.update(task, completed=share, description=message)
    else:
        yield _lines(console, title)


def _bar(console: Console) -> Bar:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Bar(*columns, console=console)


def _lines(console: Console, title: str) -> Progress:
    written = 0

    def report(share: float, message: str) -> None:
        nonlocal written
        if share * _LINES >= written:
            text = f"{title}: {share:.0%}, {message}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
            written = int(share * _LINES) + 1

    return report
