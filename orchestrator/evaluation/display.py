"""The output of an evaluation: a progress bar on a terminal, lines in a log, then tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from orchestrator.evaluation.games import Outcome
from orchestrator.progress.display import clock_text
from trajectory.episode import Episode

_LINES = 10
"""Number of lines that a whole evaluation writes to a log."""


class EvaluationProgress:
    """Shows the episodes as they end."""

    def __init__(
        self,
        console: Console,
        title: str,
        before: int,
        episodes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`before` of the `episodes` episodes were played by an earlier, interrupted command."""
        self._console, self._title, self._clock = console, title, clock
        self._before, self._episodes = before, episodes
        self._began = clock()
        self._played = self._won = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[won]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(escape(title), total=episodes, completed=before, won="")

    @property
    def seconds_left(self) -> float:
        """Estimated remaining seconds, at the pace so far."""
        left = self._episodes - self._before - self._played
        return left * (self._clock() - self._began) / max(self._played, 1)

    def episode_began(self) -> None:
        """Shows nothing: only finished episodes are shown."""

    def episode_left(self) -> None:
        """Shows nothing: only finished episodes are shown."""

    def episode(self, episode: Episode) -> None:
        """Counts and shows a finished episode."""
        self._played += 1
        self._won += episode.won
        won = f"won {self._won}/{self._played}"
        done = self._before + self._played
        if self._console.is_terminal:
            self._bar.update(self._task, completed=done, won=won)
        elif done * _LINES // self._episodes > (done - 1) * _LINES // self._episodes:
            left = f"{clock_text(self.seconds_left)} left"
            self._console.print(
                f"{self._title}: {done}/{self._episodes}, {won}, {left}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def set_aside(self, reason: str) -> None:
        """Shows an episode that is not counted."""
        self._console.print(f"set aside: {reason}", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()


def outcome_table(title: str, outcomes: Mapping[str, Outcome]) -> Table:
    """A row for each task type, and one for all together."""
    table = Table(title=escape(title), box=box.SIMPLE)
    table.add_column("task type", no_wrap=True)
    for column in ("episodes", "won"):
        table.add_column(column, justify="right")
    table.add_column("success [95 % Wilson]", justify="right", no_wrap=True)
    table.add_column("score [95 %]", justify="right", no_wrap=True)
    for column in ("turns", "switches", "valid plans", "valid actions"):
        table.add_column(column, justify="right")
    for name, one in outcomes.items():
        table.add_row(
            escape(name),
            str(one.episodes),
            str(one.won),
            str(one.success),
            str(one.score),
            f"{one.turns:.1f}",
            f"{one.switches:.1f}",
            f"{one.valid_plans:.1%}",
            f"{one.valid_actions:.1%}",
            end_section=name == "all",
        )
    return table


def subgoal_table(subgoals: Sequence[tuple[str, int]]) -> Table:
    """The most frequent subgoals."""
    table = Table(title="most frequent subgoals", box=box.SIMPLE)
    table.add_column("times begun", justify="right")
    table.add_column("subgoal", overflow="fold")
    for text, count in subgoals:
        table.add_row(str(count), escape(text))
    return table


def comparison_table(rows: Sequence[tuple[str, str, Outcome]]) -> Table:
    """A row for each evaluated pair of adapters and split, for comparing them."""
    table = Table(title="summary", box=box.SIMPLE)
    for heading in ("adapters", "split"):
        table.add_column(heading)
    for heading in ("won", "success [95 % Wilson]", "score [95 %]", "turns"):
        table.add_column(heading, justify="right")
    for label, split, one in rows:
        won = f"{one.won}/{one.episodes}"
        table.add_row(escape(label), escape(split), won, str(one.success), str(one.score), f"{one.turns:.1f}")
    return table
