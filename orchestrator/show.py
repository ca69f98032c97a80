"""`bazel run //orchestrator:show -- RUN_DIR [EPISODE]`: lists a run's episodes, or shows one turn by turn."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from core.errors import ConfigurationError
from core.paths import user_path
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import Level, TurnAdvantages
from trajectory.episode import Decision, Episode, Turn


class Flags(Section):
    """Options of this command."""

    svg: Path | None = None
    """File for a picture of what is printed."""


SYNTAX = Syntax(
    "show",
    NoSections,
    Flags,
    "Prints the episodes of a run, or one of them turn by turn.",
    arguments=(
        Argument("RUN_DIR", "the folder of a run"),
        Argument("EPISODE", "the number of one of its episodes", required=False),
    ),
)

_PICTURE_WIDTH = 100
"""Number of characters of a picture's lines."""
_FETCHED_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_BROKEN = "environment broke"
"""Ending of an episode whose environment broke its contract."""


def show(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    line = parse(argv, SYNTAX)
    root, *numbers = line.arguments
    store = EpisodeStore.reading(RunFolder(user_path(root)).episodes)

    def show_on(console: Console) -> None:
        if numbers:
            print_episode(console, store, _number(numbers[0]))
        else:
            console.print(episodes_table(store))

    show_on(Console())
    if line.flags.svg is not None:
        _write_picture(line.flags.svg, " ".join(["hiper show", *line.arguments]), show_on)
    return 0


def _write_picture(file: Path, title: str, show_on: Callable[[Console], None]) -> None:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_PICTURE_WIDTH, force_terminal=True, file=nowhere)
        show_on(console)
    try:
        # A reader's own font does, and nothing need be fetched from elsewhere.
        file.write_text(_FETCHED_FONT.sub("", console.export_svg(title=title)), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--svg: cannot write {file}: {error.strerror}") from error


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ConfigurationError(f"{text!r} is not an episode number. {SYNTAX.usage}")
    return int(text)


def episodes_table(store: EpisodeStore) -> Table:
    """A table with a row per episode; `attempt` counts from 0, and grows when a lease has run out."""
    table = Table(
        title=f"run {store.run_id}", box=box.SIMPLE, pad_edge=False, show_edge=False, collapse_padding=True
    )
    for heading in ("episode", "task", "ending", "turns", "score", "attempt", "trained on"):
        table.add_column(
            heading, justify="left" if heading in ("task", "ending") else "right", overflow="fold"
        )
    set_aside = store.those_set_aside()
    rows = {row.number: row for row in store.summaries()}
    for number in sorted({*rows, *set_aside}):
        if (row := rows.get(number)) is None:
            table.add_row(str(number), "", _BROKEN, "", "", "", "set aside")
            continue
        table.add_row(
            str(number),
            Text(row.task_type),
            row.ending,
            str(row.turns),
            f"{row.score:g}",
            str(row.attempt),
            "set aside" if number in set_aside else "yes" if store.advantages(number) else "",
        )
    return table


def print_episode(console: Console, store: EpisodeStore, number: int) -> None:
    """Prints one episode, segment by segment and turn by turn.

    Each advantage is shown beside the tokens that learn from it: A_high beside the subgoal that begins a
    segment, A_switch beside a decision, A_low beside an action. Before it is the critic's value before that
    choice. The advantages are those that were learnt from, normalised if the estimator does so.
    """
    reason = store.those_set_aside().get(number)
    if reason is not None and number not in store.numbers():
        console.print(Text(f"episode {number} was set aside: {reason}"))
        return
    (episode,) = store.load([number])
    advantages = store.advantages(number)
    console.print(_heading(episode, bool(advantages), reason))
    segment = 0
    for index, turn in enumerate(episode.turns):
        given = advantages[index] if index < len(advantages) else None
        if _starts_segment(turn, index):
            heading = Text(f"segment {segment}: {turn.plan.subgoal}")
            if given and (high := _credit("high", given)):
                heading.append("  ").append_text(high)
            console.print(Rule(heading, align="left", style="dim"))
            segment += 1
        console.print(_turn(turn, index, given))
    console.print(Rule(style="dim"))
    console.print(Text(f"final observation: {_one_line(episode.final_observation)}"))


def _heading(episode: Episode, trained_on: bool, set_aside: str | None) -> Text:
    lines = (
        f"episode {episode.number}, attempt {episode.key.attempt}: {episode.key.task_id}",
        f"task: {episode.goal}",
        f"{episode.ending} after {len(episode.turns)} turns, score {episode.score:g}, "
        f"{episode.seconds:.1f} s",
        "" if trained_on else _untrained(set_aside),
    )
    return Text("\n".join(line for line in lines if line))


def _untrained(set_aside: str | None) -> str:
    if set_aside is not None:
        return f"No update can use this episode: {set_aside}."
    return "No update has used this episode yet, so it has no advantages."


def _turn(turn: Turn, index: int, given: TurnAdvantages | None) -> RenderableType:
    """Observation, decision and action of a turn; the advantages are right of what they belong to."""
    plan, act = turn.plan, turn.act
    decided = given is not None and given.switch is not None and len(plan.decision_span) > 0
    seen, block = _grid(), _grid()
    seen.add_row(f"turn {index}", Text(_one_line(turn.observation)))
    block.add_column(justify="right")
    block.add_row(
        "planner",
        _marked(plan.decision.value, plan.valid, plan.generation.adapter_version),
        _credit("switch", given) if given and decided else "",
    )
    block.add_row(
        "executor",
        _marked(act.action, act.valid, act.generation.adapter_version),
        _credit("low", given) if given else "",
    )
    if turn.reward:
        block.add_row("reward", f"{turn.reward:g}", "")
    return Group(seen, block)


def _grid() -> Table:
    """Two columns: what something is, and its text."""
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(width=8, style="dim")
    grid.add_column(ratio=1, overflow="fold")
    return grid


def _credit(level: Level, given: TurnAdvantages) -> Text:
    """A value, if there is one, and the advantage that was computed from it."""
    advantage, value = given.of(level)
    if advantage is None:
        return Text()
    known = Text() if value is None else Text(f"V_{level} {value:.2f}  ")
    return known.append(f"A_{level} {advantage:+.3f}", style="green" if advantage >= 0 else "red")


def _starts_segment(turn: Turn, index: int) -> bool:
    return index == 0 or turn.plan.decision is Decision.SWITCH


def _marked(text: str, valid: bool, version: int) -> Text:
    """An answer with the adapter version that wrote it; red if it could not be parsed."""
    said = Text(text) if valid else Text(f"{text} (invalid)", style="red")
    return said.append(f"  @{version}", style="dim")


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main(show)
