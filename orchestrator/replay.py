"""`bazel run //orchestrator:replay -- RUN_DIR EPISODE`: plays a stored episode again; says what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing

from pydantic import Field
from rich.console import Console

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, Syntax
from core.errors import ConfigurationError, HiperError
from core.paths import user_path
from core.progress import progress
from orchestrator.replaying.replayer import Replayer
from orchestrator.replaying.settings import ReplaySettings, number_formats, saved_settings
from orchestrator.replaying.tally import Tally, described
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore


class Flags(Section):
    """Options of this command alone."""

    all: bool = False
    """Whether to replay every episode of the run; prints those that differ, and a summary."""
    near_ties: bool = False
    """Whether an episode whose only differences are near ties counts as identical for the exit code."""
    tolerance: float | None = Field(None, ge=0)
    """Accepted difference of a log-probability, in nats; by default what the number format explains."""


SYNTAX = Syntax(
    "replay",
    ReplaySettings,
    Flags,
    "Plays stored episodes of a run again, and prints the first turn and field that differ. The\n"
    "configuration is the run's own; options override it, for example for data that has been moved.",
    short_names={"model": ("planner.model", "executor.model"), "data": ("environment.data",)},
    arguments=(
        Argument("RUN_DIR", "the folder of a run"),
        Argument("EPISODE", "the number of one of its episodes", required=False),
    ),
)


def replay(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    root = user_path(parse(argv, SYNTAX).arguments[0])
    saved, folder = saved_settings(root), RunFolder(root)
    line = parse(argv, SYNTAX, base=saved)
    with closing(EpisodeStore.reading(folder.episodes)) as store:
        numbers = _numbers(line.arguments[1:], line.flags, store)
        replayer = Replayer.of(
            line.configuration, number_formats(saved), folder, store.run_id, line.flags.tolerance
        )
        with closing(replayer):
            tally = Tally(Console(), line.flags.near_ties)
            tally.say(*replayer.remarks)
            asyncio.run(
                _all(replayer, store, numbers, tally)
                if line.flags.all
                else _one(replayer, store, numbers[0], tally)
            )
    return tally.exit_code


def _numbers(given: Sequence[str], flags: Flags, store: EpisodeStore) -> list[int]:
    """The episodes to replay."""
    if flags.all == bool(given):
        raise ConfigurationError(f"either EPISODE or --all is needed. {SYNTAX.usage}")
    if flags.all:
        return sorted(store.numbers())
    if not given[0].isdecimal():
        raise ConfigurationError(f"{given[0]!r} is not an episode number. {SYNTAX.usage}")
    store.message(int(given[0]))  # Whether it is there is known before the models are loaded.
    return [int(given[0])]


async def _one(replayer: Replayer, store: EpisodeStore, number: int, tally: Tally) -> None:
    replayed = await replayer.replay(*store.load([number]))
    tally.add(replayed)
    tally.say(*described(replayed))


async def _all(replayer: Replayer, store: EpisodeStore, numbers: Sequence[int], tally: Tally) -> None:
    """Replays every episode; one that cannot be replayed does not keep the others from it."""
    with progress(tally.console, "replay") as report:
        for done, number in enumerate(numbers):
            report(done / len(numbers), f"{done} of {len(numbers)} episodes")
            try:
                replayed = await replayer.replay(*store.load([number]))
            except HiperError as error:
                tally.add_failure(number, error)
            else:
                tally.add(replayed)
                if not replayed.identical:
                    tally.say(*described(replayed))
    tally.say(tally.summary)


if __name__ == "__main__":
    main(replay)
