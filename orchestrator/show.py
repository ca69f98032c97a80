"""`bazel run //orchestrator:show -- RUN_DIR [EPISODE]`: a run's episodes, or one of them turn by turn."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from configuration import command
from configuration.errors import ConfigurationError
from configuration.paths import user_path
from learner.run_files import RunFiles
from learner.store import EpisodeStore, TurnAdvantages
from serving.errors import HiperError
from trajectory.episode import Decision, Episode, Turn

USAGE = (
    "usage: show RUN_DIR [EPISODE]; RUN_DIR is the folder of a run, EPISODE the number of one of its episodes"
)


def show(argv: Sequence[str]) -> int:
    """The command; its exit code."""
    if "--help" in argv or "-h" in argv:
        print(USAGE)
        return 0
    if not 1 <= len(argv) <= 2 or argv[0].startswith("-"):
        raise ConfigurationError(USAGE)
    console = Console()
    try:
        store = EpisodeStore(RunFiles(user_path(argv[0])).episodes)
        if len(argv) == 1:
            console.print(episodes_table(store))
        else:
            print_episode(console, store, _number(argv[1]))
    except HiperError as error:
        raise ConfigurationError(str(error)) from error
    return 0


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ConfigurationError(f"{text!r} is no episode number. {USAGE}")
    return int(text)


def episodes_table(store: EpisodeStore) -> Table:
    """A row an episode."""
    table = Table(title=f"run {store.run_id}")
    for heading in ("episode", "task", "ending", "turns", "score", "attempt", "trained on"):
        table.add_column(
            heading, justify="left" if heading in ("task", "ending") else "right", overflow="fold"
        )
    for row in store.summaries():
        table.add_row(
            str(row.number),
            Text(row.task_id),
            "won" if row.won else "",
            str(row.turns),
            f"{row.score:g}",
            str(row.attempt),
            "yes" if store.advantages(row.number) else "",
        )
    return table


def print_episode(console: Console, store: EpisodeStore, number: int) -> None:
    """One episode, turn by turn."""
    (episode,) = store.load([number])
    console.print(_heading(episode))
    console.print(turns_table(episode, store.advantages(number)))
    console.print(Text(f"At last: {_one_line(episode.final_observation)}"))


def _heading(episode: Episode) -> Text:
    ending = "won" if episode.won else "lost" if episode.terminated else "out of turns"
    lines = (
        f"episode {episode.number}, attempt {episode.key.attempt}: {episode.key.task_id}",
        f"task: {episode.goal}",
        f"{ending} after {len(episode.turns)} turns, score {episode.score:g}, {episode.seconds:.1f} s",
    )
    return Text("\n".join(lines))


def turns_table(episode: Episode, advantages: Sequence[TurnAdvantages]) -> Table:
    """A row a turn: what was seen, decided, done, rewarded, and what the estimator made of it.

    Advantages stand where tokens learn from them: the high one at segment starts, the switch one where the
    planner decided.
    """
    table = Table(show_lines=True)
    for heading in ("turn", "observation", "decision", "subgoal", "action", "reward", "versions"):
        table.add_column(heading, overflow="fold")
    for heading in ("A high", "A switch", "A low"):
        table.add_column(heading, justify="right")
    for index, turn in enumerate(episode.turns):
        table.add_row(
            str(index),
            Text(_one_line(turn.observation)),
            _marked(turn.plan.decision.value, turn.plan.valid),
            Text(turn.plan.subgoal) if _starts_segment(turn, index) else Text("″", style="dim"),
            _marked(turn.act.action, turn.act.valid),
            f"{turn.reward:g}",
            f"{turn.plan.generation.adapter_version}/{turn.act.generation.adapter_version}",
            *_levels(turn, index, advantages[index] if index < len(advantages) else None),
        )
    return table


def _starts_segment(turn: Turn, index: int) -> bool:
    return index == 0 or turn.plan.decision is Decision.SWITCH


def _levels(turn: Turn, index: int, given: TurnAdvantages | None) -> tuple[str, str, str]:
    if given is None:
        return "", "", ""
    high = f"{given.high:+.3f}" if _starts_segment(turn, index) else ""
    decided = given.switch is not None and len(turn.plan.decision_span) > 0
    return high, f"{given.switch:+.3f}" if decided else "", f"{given.low:+.3f}"


def _marked(text: str, valid: bool) -> Text:
    """The text, in red and named where it could not be parsed."""
    return Text(text) if valid else Text(f"{text} (invalid)", style="red")


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    command.main(show)
