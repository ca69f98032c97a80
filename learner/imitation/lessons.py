"""The lessons of a warm start: episodes of a teacher, and episodes of runs with its comments."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from configuration.learner import ImitationSettings
from core.errors import InvalidInputError
from core.paths import user_path
from core.role import Role
from environments.benchmark import Benchmark, FamilyBenchmark, Task
from environments.errors import BrokenEnvironmentError
from executor.parser import ExecutorParser
from learner.imitation.demonstrations import Formats, Lesson, lesson
from learner.imitation.teachers import Commentator, Teacher, teacher_of
from learner.update.packing import TokenSequence
from planner.parser import PlannerParser
from play.broken import check_broken
from play.schedule import parts_of, task_for
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from trajectory.episode import Decision

log = logging.getLogger(__name__)

_TRAINING_SPLIT = "train"


def training_lessons(
    settings: ImitationSettings, formats: Formats, benchmark: Benchmark, seed: int
) -> list[Lesson]:
    """The teacher's episodes at `settings.games` training tasks, drawn with the seed; then those of runs.

    Those in which the environment breaks its contract are left out, and without `settings.lost` also those of
    the teacher's in which it does not succeed.

    Raises:
        InvalidInputError: the benchmark has no training tasks, the teacher succeeds in none of them, or the
            environment does something else than in an episode of a run.
        HiperError: a run's episodes cannot be read.
        TooManyBrokenError: the environment breaks its contract in too many.
    """
    training = _training_tasks(benchmark)
    # Before the teacher plays, which takes minutes: a wrong folder is told at once.
    judge, folders = teacher_of(benchmark, settings.teacher), map(str, settings.episodes)
    played = [one for folder in folders for one in _of_run(user_path(folder), training, judge)]
    teacher = teacher_of(benchmark, settings.teacher, settings.mistakes, seed)
    drawn = [_Assignment(task, teacher) for task in _drawn(training, benchmark, settings, seed)]
    lessons = asyncio.run(_taught(benchmark, drawn, formats))
    kept = [one for one in lessons if settings.lost or one.episode.won]
    if drawn and not kept:
        raise InvalidInputError(f"the teacher {settings.teacher} wins none of {len(drawn)} training tasks")
    return kept + asyncio.run(_taught(benchmark, played, formats))


@dataclass(frozen=True)
class _Assignment:
    """An episode that a teacher plays."""

    task: Task
    teacher: Teacher
    seed: int = 0
    """Seed of the environment."""


def _of_run(folder: Path, training: Sequence[Task], judge: Teacher) -> list[_Assignment]:
    """The episodes of a run, in their order."""
    store = EpisodeStore.reading(RunFolder(folder).episodes)
    try:
        episodes = store.load(sorted(store.numbers()))
    finally:
        store.close()
    if not episodes:
        raise InvalidInputError(f"imitation.episodes: the run in {folder} has no episodes")
    tasks = {task.id: task for task in training}
    for episode in episodes:
        if episode.key.task_id not in tasks:
            raise InvalidInputError(
                f"imitation.episodes: episode {episode.number} in {folder} is of task {episode.key.task_id}, "
                f"which is not a training task of this environment"
            )
    return [_Assignment(tasks[one.key.task_id], Commentator(judge, one), one.key.seed) for one in episodes]


async def _taught(benchmark: Benchmark, assignments: Sequence[_Assignment], formats: Formats) -> list[Lesson]:
    lessons: list[Lesson] = []
    reasons: list[str] = []
    environment = benchmark.environment()
    for one in assignments:
        try:
            lessons.append(await lesson(benchmark, environment, one.task, formats, one.teacher, one.seed))
        except BrokenEnvironmentError as error:
            log.warning("a demonstration is left out: %s", error)
            reasons.append(str(error))
            check_broken(reasons, len(assignments), "the demonstrations")
            environment = benchmark.environment()
    environment.close()
    return lessons


def _training_tasks(benchmark: Benchmark) -> Sequence[Task]:
    split = _TRAINING_SPLIT if _TRAINING_SPLIT in benchmark.splits else benchmark.splits[0]
    tasks = benchmark.tasks(split)
    if not tasks:
        raise InvalidInputError(f"benchmark {benchmark.name} has no tasks in split {split} to imitate")
    return tasks


def _drawn(tasks: Sequence[Task], benchmark: Benchmark, settings: ImitationSettings, seed: int) -> list[Task]:
    count = settings.games
    if parts := parts_of(benchmark, tasks):
        return [task_for(tasks, seed, group, parts) for group in range(min(count, len(tasks)))]
    order = np.random.default_rng(seed).permutation(len(tasks))
    drawn = [tasks[place] for place in order]
    if settings.family_games is not None and isinstance(benchmark, FamilyBenchmark):
        drawn = _few_of_each(drawn, benchmark, settings.family_games)
    return drawn[:count]


def _few_of_each(tasks: Sequence[Task], benchmark: FamilyBenchmark, limit: int) -> list[Task]:
    """The first `limit` tasks of each family, in their order."""
    seen: Counter[str] = Counter()
    kept = []
    for task in tasks:
        family = benchmark.family_of(task.id)
        seen[family] += 1
        if seen[family] <= limit:
            kept.append(task)
    return kept


def right_answers(lessons: Sequence[Lesson], formats: Formats, role: Role) -> list[list[TokenSequence]]:
    """The right answers of a role in each episode, after the prompts as they were.

    The planner's right answer is KEEP where the subgoal in force is the right one, else SWITCH to that one.
    """
    plan = partial(_right_plan, formats.planner_parser)
    act = partial(_right_act, formats.executor_parser)
    answer = plan if role is Role.PLANNER else act
    return [[answer(one, number) for number in range(len(one.episode.turns))] for one in lessons]


def _right_plan(parser: PlannerParser, one: Lesson, number: int) -> TokenSequence:
    before = one.episode.turns[number - 1].plan.subgoal if number else ""
    subgoal = one.right[number].subgoal
    decision = Decision.KEEP if subgoal == before else Decision.SWITCH
    prompt_ids = one.episode.turns[number].plan.generation.prompt_ids
    return TokenSequence(prompt_ids, tuple(parser.answer_ids(decision, subgoal, number)))


def _right_act(parser: ExecutorParser, one: Lesson, number: int) -> TokenSequence:
    prompt_ids = one.episode.turns[number].act.generation.prompt_ids
    return TokenSequence(prompt_ids, tuple(parser.answer_ids(one.right[number].action)))
