"""The episodes that an evaluation plays, the record of each, and the results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from core.intervals import Mean, Proportion, mean_score, wilson
from core.seeds import derive
from environments.benchmark import Task
from environments.errors import UnknownTaskTypeError
from play.broken import check_broken
from play.every_task import EveryTask
from play.schedule import task_for
from trajectory.episode import Decision, Episode
from trajectory.lease import Finished, Lease, Wait

SUBGOALS_SHOWN = 10
"""Number of subgoals that are shown."""


@dataclass(frozen=True)
class Played:
    """An evaluation's record of an episode."""

    task_id: str
    task_type: str
    sample: int
    """Number of the episode among those of its task, from 0."""
    seed: int
    won: bool
    score: float
    truncated: bool
    turns: int
    valid_plans: int
    """Number of turns whose plan could be parsed."""
    valid_actions: int
    """Number of turns whose action could be parsed."""
    subgoals: tuple[str, ...]
    """Subgoal of each segment, in order."""
    seconds: float
    environment: str = ""
    """Name of the environment; empty in logs of earlier versions."""

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
            environment=episode.benchmark,
        )


@dataclass(frozen=True)
class Broken:
    """An episode that was set aside, because its environment broke its contract."""

    task_id: str
    sample: int
    """Number of the episode among those of its task, from 0."""
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The results of one or more episodes."""

    episodes: int
    won: int
    success: Proportion
    """Success rate with Wilson's 95 % interval."""
    score: Mean
    """Mean score with its 95 % interval, which is Wilson's, too."""
    turns: float
    """Mean number of turns."""
    switches: float
    """Mean number of subgoals, including the first one."""
    truncated: float
    """Share of the episodes that were truncated."""
    valid_plans: float
    """Share of the turns whose plan could be parsed."""
    valid_actions: float
    """Share of the turns whose action could be parsed."""

    @classmethod
    def of(cls, played: Sequence[Played]) -> Outcome:
        count, won = len(played), sum(one.won for one in played)
        turns = sum(one.turns for one in played)
        return cls(
            episodes=count,
            won=won,
            success=wilson(won, count),
            score=mean_score(fmean(one.score for one in played), count),
            turns=turns / count,
            switches=sum(len(one.subgoals) for one in played) / count,
            truncated=sum(one.truncated for one in played) / count,
            valid_plans=sum(one.valid_plans for one in played) / turns,
            valid_actions=sum(one.valid_actions for one in played) / turns,
        )


def outcomes(played: Sequence[Played]) -> dict[str, Outcome]:
    """The results of each task type, sorted by name, then of each environment if there are several; those of
    `all` come last."""
    types, environments = _grouped(played, "task_type"), _grouped(played, "environment")
    several = environments.items() if len(environments) > 1 else ()
    groups = (*types.items(), *((f"all of {name}", group) for name, group in several), ("all", played))
    return {name: Outcome.of(group) for name, group in groups}


def _grouped(played: Sequence[Played], field: str) -> dict[str, list[Played]]:
    groups: dict[str, list[Played]] = defaultdict(list)
    for one in played:
        groups[getattr(one, field)].append(one)
    return dict(sorted(groups.items()))


def recurring_subgoals(played: Iterable[Played]) -> list[tuple[str, int]]:
    """The most frequent subgoals and their counts; equal counts are in alphabetical order."""
    counts = Counter(subgoal for one in played for subgoal in one.subgoals)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:SUBGOALS_SHOWN]


def chosen_tasks(
    tasks: Sequence[Task],
    task_types: Collection[str],
    games: int | None,
    seed: int,
    environment_of: Callable[[Task], str] = lambda _: "",
) -> tuple[Task, ...]:
    """The tasks of a split that are played, in the split's order.

    Args:
        tasks: All tasks of the split.
        task_types: Task types to play; empty for all.
        games: Number of tasks to draw of each environment without replacement, None for all. A larger number
            includes the tasks of a smaller one.
        seed: Seed of the draw.
        environment_of: Returns the name of a task's environment, if there are several.

    Raises:
        UnknownTaskTypeError: the split has no task of a type.
    """
    types = {task.type for task in tasks}
    for name in task_types:
        if name not in types:
            raise UnknownTaskTypeError(name, types)
    left = [task for task in tasks if not task_types or task.type in task_types]
    if games is None:
        return tuple(left)
    drawn, groups = derive(seed, "games"), defaultdict(list)
    for task in left:
        groups[environment_of(task)].append(task)
    return tuple(
        sorted(
            task_for(own, drawn, place) for own in groups.values() for place in range(min(games, len(own)))
        )
    )


class Games:
    """Leases every task `samples` times, except for episodes played before, and records the results."""

    def __init__(
        self,
        tasks: Sequence[Task],
        samples: int,
        seed: int,
        before: Iterable[Played],
        keep: Callable[[Played], None],
    ) -> None:
        """`before` are the episodes of an evaluation that is resumed; `keep` is called with each new one."""
        wanted = {(task.id, sample) for task in tasks for sample in range(samples)}
        self._played = {key: one for one in before if (key := (one.task_id, one.sample)) in wanted}
        self._keep = keep
        self._tasks, self._seed, self._episodes = tasks, seed, len(wanted)
        self.broken: list[Broken] = []
        """Episodes that were set aside now."""
        self.left = len(wanted) - len(self._played)
        """Number of episodes that were left to play at the beginning."""
        self._leases = EveryTask(tasks, samples, seed, self._finished, tuple(self._played), self._note_broken)

    @property
    def played(self) -> list[Played]:
        """All episodes, sorted by task and sample, so that the order of play does not matter."""
        return [self._played[key] for key in sorted(self._played)]

    async def lease(self) -> Lease | Wait | Finished:
        return await self._leases.lease()

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        return await self._leases.renew(leases)

    async def submit(self, episode: Episode) -> bool:
        return await self._leases.submit(episode)

    async def set_aside(self, lease: Lease, reason: str) -> None:
        """Notes an episode that is not counted.

        Raises:
            TooManyBrokenError: more episodes are set aside than may be.
        """
        await self._leases.set_aside(lease, reason)

    def _note_broken(self, number: int, reason: str) -> None:
        task = task_for(self._tasks, self._seed, number)
        self.broken.append(Broken(task.id, number // len(self._tasks), reason))
        check_broken([one.reason for one in self.broken], self._episodes, "the evaluation")

    def _finished(self, episode: Episode, sample: int) -> None:
        one = Played.of(episode, sample)
        self._keep(one)
        self._played[one.task_id, one.sample] = one
