"""The output of a run in progress: a live panel on a terminal, lines in a log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.progress.tally import Tally
from run_folder import metric_names as names
from trajectory.episode import Episode
from trajectory.learner_status import LearnerStatus, Phase

_BAR_PHASES = (Phase.STARTING, Phase.UPDATING, Phase.PUBLISHING)
"""Phases for which the learner reports its progress."""
_HEADS = ("high", "low", "switch")
_LINES_A_PHASE = 4
"""Number of lines that a phase's progress writes to a log."""


class Display(Protocol):
    """Shows what happens in a run."""

    def say(self, text: str) -> None:
        """Shows a message until there is news of the learner."""
        ...

    def note(self, text: str) -> None:
        """Shows a message that stays."""
        ...

    def learner(self, status: LearnerStatus) -> None:
        """Shows what the learner is doing."""
        ...

    def episode(self, episode: Episode) -> None:
        """Shows an episode that has ended."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def display_for(console: Console, tally: Tally, episodes: int) -> AbstractContextManager[Display]:
    """The display that suits the console; `episodes` is the run's number of episodes."""
    if console.is_terminal:
        return LiveDisplay(console, tally, episodes)
    return PlainDisplay(console, tally, episodes)


class LiveDisplay:
    """A panel that is redrawn four times per second."""

    def __init__(self, console: Console, tally: Tally, episodes: int) -> None:
        self._tally, self._episodes = tally, episodes
        self._said = ""
        self._live = Live(get_renderable=self._panel, console=console, refresh_per_second=4, transient=True)

    def say(self, text: str) -> None:
        self._said = text

    def note(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def learner(self, status: LearnerStatus) -> None:
        self._said = ""

    def episode(self, episode: Episode) -> None:
        """Shows nothing: the panel reads the tally."""

    def _panel(self) -> RenderableType:
        lines: list[RenderableType] = [Text(summary(self._tally, self._episodes))]
        status = self._tally.status
        if self._said or status is None:
            lines.append(Text(self._said, style="dim"))
        else:
            lines.append(_phase_line(status))
        return Group(*lines)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class PlainDisplay:
    """A line for each event, for logs."""

    def __init__(self, console: Console, tally: Tally, episodes: int) -> None:
        self._console, self._tally, self._episodes = console, tally, episodes
        self._shown: tuple[Phase, int] | None = None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        self.say(text)

    def learner(self, status: LearnerStatus) -> None:
        shown = status.phase, int(_LINES_A_PHASE * status.progress)
        if shown != self._shown:
            clock = clock_text(self._tally.seconds)
            self.say(f"[{clock}] learner: {status.phase.value} ({status.message})")
            self._shown = shown

    def episode(self, episode: Episode) -> None:
        self.say(
            f"[{clock_text(self._tally.seconds)}] episode {episode.number} {episode.ending} "
            f"after {len(episode.turns)} turns; {summary(self._tally, self._episodes)}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _phase_line(status: LearnerStatus) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=status.progress, width=24)
    text = Text(f"learner: {status.message}", style="dim")
    line.add_row(*((bar, text) if status.phase in _BAR_PHASES else (text,)))
    return line


def summary(tally: Tally, episodes: int) -> str:
    """All counts so far on one line."""
    stored = tally.status.episodes_stored if tally.status else 0
    parts = [f"episodes {max(stored, tally.episodes)}/{episodes}"]
    if tally.episodes:
        parts.append(f"won {tally.wins}/{tally.episodes}")
    if tally.set_aside:
        parts.append(f"{tally.set_aside} not trained on (see the learner's log)")
    if tally.playing_seconds:
        parts.append(f"{tally.turns / tally.playing_seconds:.1f} turns/s")
        parts.append(f"{tally.tokens / tally.playing_seconds:.0f} tokens/s")
    if tally.planner_version is not None:
        parts.append(f"planner@{tally.planner_version} executor@{tally.executor_version}")
    if tally.status and tally.status.updates_done:
        parts.append(f"updates {tally.status.updates_done}/{tally.status.updates_total}")
    if explained := explained_text(tally.status.metrics if tally.status else {}):
        parts.append(explained)
    parts.append(clock_text(tally.seconds))
    if tally.stop_unconfirmed:
        parts.append("the learner has not confirmed yet that it stops")
    elif tally.stopping:
        parts.append("ends after the update in flight")
    elif tally.seconds_left:
        parts.append(f"about {clock_text(tally.seconds_left)} left")
    return " · ".join(parts)


def explained_text(line: Mapping[str, float]) -> str:
    """The share of the returns' variance that each value head explained in the last update; "" if unknown."""
    shares = {head: line.get(names.critic(names.explained_variance(head))) for head in _HEADS}
    known = [f"V_{head} {share:.0%}" for head, share in shares.items() if share is not None]
    if not known:
        return ""
    weak = " (too little for the estimator)" if line.get(names.critic(names.WEAK_HEADS)) else ""
    return f"critic explains {', '.join(known)}{weak}"


def clock_text(seconds: float) -> str:
    """A duration as minutes:seconds or hours:minutes:seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
