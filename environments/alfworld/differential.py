"""Plays the same games with the same actions on our engine and TextWorld's, and compares every answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.environment import Playthrough
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game
from environments.benchmark import Task

JUNK = (
    "",
    "   ",
    "Look",
    "LOOK",
    "go to",
    "go to nowhere 1",
    "take",
    "put mug 1 in/on desk 1",
    "look\n",
    "\x00\x1b[2J\u202e",
    "examine",
    "use",
    "slice bread 1 with knife 1",
    "ł" * 2000,
)
"""Actions that a model might write: most are malformed, and the engines ignore the blanks around others."""


@dataclass(frozen=True)
class Difference:
    """The first field in which an answer of the two engines differs."""

    game: str
    step: int
    """Number of the step, from 1; 0 for the answer to the reset."""
    action: str
    field: str
    stock: str
    ours: str

    def __str__(self) -> str:
        where = f"{self.game}, step {self.step} ({self.action!r})"
        return f"{where}, {self.field}: TextWorld {self.stock!r}, ours {self.ours!r}"


def spread(benchmark: AlfworldBenchmark, count: int, seed: int) -> list[Task]:
    """`count` random games of all splits, spread as evenly over the task types as possible."""
    tasks = [task for split in benchmark.splits for task in benchmark.tasks(split)]
    random.Random(seed).shuffle(tasks)
    by_type: dict[str, Iterator[Task]] = {
        kind: iter([task for task in tasks if task.type == kind])
        for kind in sorted({task.type for task in tasks})
    }
    chosen: list[Task] = []
    while by_type and len(chosen) < count:
        for kind in list(by_type):
            task = next(by_type[kind], None)
            if task is None:
                del by_type[kind]
            elif len(chosen) < count:
                chosen.append(task)
    return chosen


def draw_action(rng: random.Random, game: Game, episode: Episode, walkthrough: Iterator[str]) -> str:
    """The walkthrough's next action, or an admissible one (preferably one with an effect), or junk."""
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(JUNK)
    if kind < 0.4 and (action := next(walkthrough, None)) is not None:
        return action
    changing = [
        action for action in episode.admissible if not action.startswith(("go to", "help", "examine"))
    ]
    return rng.choice(changing if changing and kind < 0.75 else episode.admissible)


def compare(name: str, game: Game, stock: Playthrough, steps: int, seed: int) -> Iterator[Difference | None]:
    """Yields an item for the reset and for each step: None if the answers agree. Stops when won."""
    rng = random.Random(f"{seed} {name}")
    ours, walkthrough = Episode(game), iter(game.walkthrough)
    yield _difference(name, 0, "", (stock.introduction(), ours.introduction()), stock, ours)
    for step in range(1, steps + 1):
        if ours.won or stock.won:
            return
        action = draw_action(rng, game, ours, walkthrough)
        yield _difference(name, step, action, (stock.act(action), ours.act(action)), stock, ours)


def _difference(
    name: str, step: int, action: str, observations: tuple[str, str], stock: Playthrough, ours: Playthrough
) -> Difference | None:
    fields: Iterable[tuple[str, object, object]] = (
        ("observation", *observations),
        ("admissible actions", stock.admissible, ours.admissible),
        ("won", stock.won, ours.won),
    )
    for field, theirs, own in fields:
        if theirs != own:
            return Difference(name, step, action, field, str(theirs), str(own))
    return None
