"""The tasks of a shop and their splits: our own, and the reference's for comparison with their results."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from environments.benchmark import Task
from environments.errors import EnvironmentDataError, UnknownSplitError, UnknownTaskError
from environments.webshop.catalogue import Catalogue
from environments.webshop.goals import Goal, GoalList, human_goals, shuffled, synthetic_goals

TRAIN, VALID, HUMAN = "train", "valid", "human"
VALID_SHARE = 0.1
"""Share of the products with an instruction whose goals are used for validation."""
HIPER_VALID_GOALS = 500
"""Number of goals for validation in HiPER's code: the first ones of each worker's shuffle; the rest train."""
_HIPER_ID = re.compile(r"seed(?P<seed>0|-?[1-9][0-9]{0,17})-(?P<index>[0-9]{7})")


@dataclass(frozen=True)
class Assignment:
    """A goal, and the list with the prices that were drawn together with it."""

    goal: Goal
    drawn: GoalList


class TaskBook(ABC):
    """Finds goals by task id, and lists the tasks of each split."""

    splits: tuple[str, ...]

    def tasks(self, split: str) -> tuple[Task, ...]:
        """The tasks of a split, sorted by id; raises `UnknownSplitError` for an unknown split."""
        if split not in self.splits:
            raise UnknownSplitError(split, self.splits)
        return self._listed()[split]

    @abstractmethod
    def find(self, task_id: str) -> Assignment:
        """The goal of a task; raises `UnknownTaskError` for an unknown id."""

    @abstractmethod
    def _listed(self) -> dict[str, tuple[Task, ...]]: ...


class DisjointTasks(TaskBook):
    """Every goal once; no product has goals in both `train` and `valid`.

    Goals written by people, if there are any, form a third split; their products can occur in the others.
    """

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        made = synthetic_goals(catalogue.products, seed)
        written = human_goals(catalogue.products, seed)
        validating = _validating_products(made, seed)
        split_of = {goal.id: VALID if goal.product.asin in validating else TRAIN for goal in made.goals}
        split_of |= {goal.id: HUMAN for goal in written.goals}
        self._assignments = {
            goal.id: Assignment(goal, drawn) for drawn in (made, written) for goal in drawn.goals
        }
        self.splits = (TRAIN, HUMAN, VALID) if written.goals else (TRAIN, VALID)
        tasks = sorted(Task(id_, self._category(id_), split) for id_, split in split_of.items())
        self._tasks = {name: tuple(task for task in tasks if task.split == name) for name in self.splits}

    def find(self, task_id: str) -> Assignment:
        try:
            return self._assignments[task_id]
        except KeyError:
            raise UnknownTaskError(task_id, self._assignments) from None

    def _listed(self) -> dict[str, tuple[Task, ...]]:
        return self._tasks

    def _category(self, task_id: str) -> str:
        return self._assignments[task_id].goal.product.category


class HiperTasks(TaskBook):
    """The goals of HiPER's code by index: `seed233-0000042` is goal 42 after the shuffle with seed 233.

    The splits are those of one seed. Worker w of HiPER's code uses seed + w, so that its validation goals are
    among other workers' training goals. Tasks of other seeds can be played by their ids.
    """

    splits = (TRAIN, VALID)

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        self._catalogue = catalogue
        self._seed = seed
        self.goals = lru_cache(maxsize=8)(self._goals)
        """The goals of a seed, in the reference's order."""
        count = len(self.goals(seed).goals)
        if count <= HIPER_VALID_GOALS:
            raise EnvironmentDataError(
                f"compat = hiper needs more than {HIPER_VALID_GOALS} goals, as it validates on the first "
                f"{HIPER_VALID_GOALS}; this catalogue gives {count}"
            )

    def find(self, task_id: str) -> Assignment:
        if named := _HIPER_ID.fullmatch(task_id):
            drawn, index = self.goals(int(named["seed"])), int(named["index"])
            if index < len(drawn.goals):
                return Assignment(drawn.goals[index], drawn)
        raise UnknownTaskError(task_id, (task.id for split in self.splits for task in self.tasks(split)))

    def _listed(self) -> dict[str, tuple[Task, ...]]:
        tasks = [
            Task(
                hiper_task_id(self._seed, index),
                goal.product.category,
                VALID if index < HIPER_VALID_GOALS else TRAIN,
            )
            for index, goal in enumerate(self.goals(self._seed).goals)
        ]
        return {TRAIN: tuple(tasks[HIPER_VALID_GOALS:]), VALID: tuple(tasks[:HIPER_VALID_GOALS])}

    def _goals(self, seed: int) -> GoalList:
        drawn = synthetic_goals(self._catalogue.products, seed)
        return GoalList(shuffled(drawn.goals, seed), drawn.prices)


def hiper_task_id(seed: int, index: int) -> str:
    """The id of the goal with this index, from 0, after the shuffle with `seed`."""
    return f"seed{seed}-{index:07d}"


def _validating_products(drawn: GoalList, seed: int) -> set[str]:
    asins = sorted({goal.product.asin for goal in drawn.goals})
    if len(asins) < 2:
        raise EnvironmentDataError(
            f"splits for training and validation need two products with instructions; there are {len(asins)}"
        )
    return set(Random(seed).sample(asins, max(1, round(VALID_SHARE * len(asins)))))
