"""Figures to compare results with: the ceiling, which is the best possible score, and scripted baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from environments.benchmark import Policy, Task, TextEnvironment
from environments.evaluation import play_episode
from environments.webshop.expert import right_options
from environments.webshop.reward import score
from environments.webshop.tasks import TaskBook

SAMPLE = 2000
"""Largest number of tasks on which baselines are measured, evenly spaced over the split."""


@dataclass(frozen=True)
class Scores:
    """Rewards of episodes, each in [0, 1]; 1 is success."""

    each: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.each) / len(self.each)

    @property
    def successes(self) -> int:
        return sum(score == 1.0 for score in self.each)

    @property
    def success_rate(self) -> float:
        return self.successes / len(self.each)


def ceiling(tasks: Iterable[Task], book: TaskBook) -> Scores:
    """Rewards for buying each task's right product with the right options; some are below 1."""
    return Scores(tuple(_best_reward(task, book) for task in tasks))


def play(environment: TextEnvironment, tasks: Iterable[Task], policy: Policy) -> Scores:
    """Plays one episode of each task, up to its end or the step limit."""
    return Scores(tuple(play_episode(environment, policy, task).score for task in tasks))


def sample(tasks: Sequence[Task], limit: int = SAMPLE) -> tuple[Task, ...]:
    """At most `limit` tasks, evenly spaced."""
    count = min(limit, len(tasks))
    return tuple(tasks[number * len(tasks) // count] for number in range(count))


def reference_lines(
    split: str, book: TaskBook, environment: TextEnvironment, policy: Callable[[str], Policy]
) -> tuple[str, ...]:
    """The ceiling and the baselines of a split in words, to be printed with a result."""
    tasks = book.tasks(split)
    played = sample(tasks)
    of = f"{len(played):,} of {len(tasks):,} tasks" if len(played) < len(tasks) else f"{len(tasks):,} tasks"
    return (
        _ceiling_line(ceiling(tasks, book), split),
        *(
            f"{name} baseline: {_line(play(environment, played, policy(name)), of)}"
            for name in ("rule", "random")
        ),
    )


def _ceiling_line(best: Scores, split: str) -> str:
    count = len(best.each)
    return (
        f"ceiling: success {best.success_rate:.1%} ({count - best.successes:,} of {count:,} {split} goals "
        "earn less than 1 for the right product and options)"
    )


def _line(scores: Scores, of: str) -> str:
    return f"score {scores.mean:.3f}, success {scores.success_rate:.1%} ({of})"


def _best_reward(task: Task, book: TaskBook) -> float:
    found = book.find(task.id)
    product = found.goal.product
    return score(product, found.drawn.price(product), right_options(found.goal), found.goal).reward
