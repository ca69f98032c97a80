"""What a benchmark found, beside its goal, the machine and the settings: on the console, and in a file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import torch
from rich.console import Console, RenderableType

from configuration.section import Section
from core import cpu
from core.paths import user_path

_WIDTH = 160


class ResultFlags(Section):
    """Options of every benchmark."""

    results: Path | None = None
    """File to which the result is appended as Markdown."""
    title: str | None = None
    """Heading of the result in that file; none means the benchmark's name."""


def _without_result_options(argv: Sequence[str]) -> str:
    hidden = [at for at, word in enumerate(argv) if word in ("--results", "--title")]
    shown = [word for at, word in enumerate(argv) if at not in hidden and at - 1 not in hidden]
    return shlex.join(shown) or "none"


@dataclass(frozen=True)
class Figure:
    """A number with a goal."""

    name: str
    value: float
    goal: float
    unit: str = "×"
    at_least: bool = True
    """Whether the goal is the smallest value that is good enough; otherwise it is the largest."""

    @property
    def reached(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        bound, verdict = "at least" if self.at_least else "at most", "reached" if self.reached else "missed"
        return (
            f"{self.name}: {self.value:.4g} {self.unit}; goal: {bound} {self.goal:g} {self.unit}, {verdict}"
        )


def wait_for_device() -> None:
    """Waits until a GPU has computed all that it was given; the time until then belongs to the work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def machine() -> str:
    """The machine: cores, processor, number formats, GPU, and what else it is doing."""
    bfloat16 = " with bfloat16" if cpu.multiplies_bfloat16() else ""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{cores} cores of {cpu.name()}{bfloat16}{gpu}, load {load:.1f}, torch {torch.__version__}"


@dataclass(frozen=True)
class Outcome:
    """The result of a benchmark, to be made before it starts, so that its own load does not count."""

    name: str
    argv: Sequence[str]
    flags: ResultFlags
    machine: str = field(default_factory=machine)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def show(self, *parts: RenderableType, figures: Sequence[Figure] = ()) -> None:
        """Prints tables, lines and figures, and appends the same to the file if there is one."""
        console = Console()
        self._write(console if console.is_terminal else Console(width=_WIDTH), parts, figures)
        if self.flags.results is not None:
            with user_path(self.flags.results).open("a", encoding="utf-8") as file:
                print(f"\n## {self.flags.title or self.name}\n\n```text", file=file)
                self._write(_plain(file), parts, figures)
                print("```", file=file)

    def _write(self, console: Console, parts: Sequence[RenderableType], figures: Sequence[Figure]) -> None:
        for part in parts:
            console.print(part, highlight=False)
        for figure in figures:
            console.print(str(figure), markup=False, highlight=False, soft_wrap=True)
        seconds = (datetime.now(UTC) - self.began).total_seconds()
        options = _without_result_options(self.argv)
        for line in (
            f"machine: {self.machine}",
            f"options: {options}; began {self.began:%Y-%m-%d %H:%M} UTC, took {seconds:.0f} s",
        ):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _plain(file: TextIO) -> Console:
    return Console(file=file, width=_WIDTH, no_color=True, force_terminal=False)
