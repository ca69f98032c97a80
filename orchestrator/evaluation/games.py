"""Which episodes an evaluation plays, what is kept of each, and what they come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from core.intervals import Mean, Proportion, normal, wilson
from core.seeds import derive
from environments.benchmark import Task
from environments.errors import UnknownTaskTypeError
from play.every_task import EveryTask
from play.schedule import task_for
from trajectory.episode import Decision, Episode
from trajectory.lease import Finished, Lease, Wait

SUBGOALS_SHOWN = 10
"""The most frequent ones."""


@dataclass(frozen=True)
class Played:
    """What an evaluation keeps of an episode."""

    task_id: str
    task_type: str
    sample: int
    """0 for the first episode of the task."""
    seed: int
    won: bool
    score: float
    truncated: bool
    turns: int
    valid_plans: int
    """Turns whose plan could be parsed."""
    valid_actions: int
    subgoals: tuple[str, ...]
    """In the order in which they were begun; as many as there are segments."""
    seconds: float

    @classmethod
    def of(cls, episode: Episode, sample: int) -> Played:
        turns = episode.turns
        begun = [t for n, t in enumerate(turns) if n == 0 or t.plan.decision is Decision.SWITCH]
        return cls(
            task_id=episode.key.task_id,
            task_type=episode.task_type,
            sample=sample,
            seed=episode.key.seed,
            won=episode.won,
            score=episode.score,
            truncated=episode.truncated,
            turns=len(turns),
            valid_plans=sum(turn.plan.valid for turn in turns),
            valid_actions=sum(turn.act.valid for turn in turns),
            subgoals=tuple(turn.plan.subgoal for turn in begun),
            seconds=episode.seconds,
        )


@dataclass(frozen=True)
class Outcome:
    """What a group of at least one episode came to."""

    episodes: int
    won: int
    success: Proportion
    """With Wilson's 95 % interval."""
    score: Mean
    """With the normal 95 % interval."""
    turns: float
    """Mean, as are the following."""
    switches: float
    """Subgoals begun, the given one of turn 0 included."""
    truncated: float
    """Share of the episodes."""
    valid_plans: float
    """Share of the turns."""
    valid_actions: float
    """Share of the turns."""

    @classmethod
    def of(cls, played: Sequence[Played]) -> Outcome:
        count, won = len(played), sum(one.won for one in played)
        turns = sum(one.turns for one in played)
        return cls(
            episodes=count,
            won=won,
            success=wilson(won, count),
            score=normal([one.score for one in played]),
            turns=turns / count,
            switches=sum(len(one.subgoals) for one in played) / count,
            truncated=sum(one.truncated for one in played) / count,
            valid_plans=sum(one.valid_plans for one in played) / turns,
            valid_actions=sum(one.valid_actions for one in played) / turns,
        )


def outcomes(played: Sequence[Played]) -> dict[str, Outcome]:
    """By task type, sorted; `all` comes last."""
    groups: dict[str, list[Played]] = defaultdict(list)
    for one in played:
        groups[one.task_type].append(one)
    return {name: Outcome.of(group) for name, group in (*sorted(groups.items()), ("all", played))}


def recurring_subgoals(played: Iterable[Played]) -> list[tuple[str, int]]:
    """The most frequent subgoals with how often each was begun; in alphabetical order where equal."""
    counts = Counter(subgoal for one in played for subgoal in one.subgoals)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SUBGOALS_SHOWN]


def chosen_tasks(
    tasks: Sequence[Task], task_types: Collection[str], games: int | None, seed: int
) -> tuple[Task, ...]:
    """The tasks of a split that are played, in the split's order.

    Args:
        tasks: All of the split.
        task_types: Those that count; empty for all.
        games: How many are drawn with the seed, without replacement; more games contain the fewer. None
            takes all.
        seed: Of the draw.

    Raises:
        UnknownTaskTypeError: a type that the split does not have.
    """
    types = {task.type for task in tasks}
    for name in task_types:
        if name not in types:
            raise UnknownTaskTypeError(name, types)
    left = [task for task in tasks if not task_types or task.type in task_types]
    if games is None:
        return tuple(left)
    drawn = derive(seed, "games")
    return tuple(sorted(task_for(left, drawn, place) for place in range(min(games, len(left)))))


class Games:
    """Leases every task `samples` times, but for what was played already, and keeps what comes back."""

    def __init__(
        self,
        tasks: Sequence[Task],
        samples: int,
        seed: int,
        before: Iterable[Played],
        keep: Callable[[Played], None],
    ) -> None:
        """`before` holds episodes of an evaluation that goes on; `keep` is told of each new one."""
        wanted = {(task.id, sample) for task in tasks for sample in range(samples)}
        self._played = {key: one for one in before if (key := (one.task_id, one.sample)) in wanted}
        self._keep = keep
        self.left = len(wanted) - len(self._played)
        """Episodes that had not been played at the beginning."""
        self._leases = EveryTask(tasks, samples, seed, self._finished, tuple(self._played))

    @property
    def played(self) -> list[Played]:
        """Sorted by task and sample, so that the order of playing leaves no trace."""
        return [self._played[key] for key in sorted(self._played)]

    async def lease(self) -> Lease | Wait | Finished:
        return await self._leases.lease()

    async def submit(self, episode: Episode) -> bool:
        return await self._leases.submit(episode)

    def _finished(self, episode: Episode, sample: int) -> None:
        one = Played.of(episode, sample)
        self._keep(one)
        self._played[one.task_id, one.sample] = one
