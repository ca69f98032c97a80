"""Playing a split with a scripted player, on a game that can be played by hand: guess a number."""

from __future__ import annotations

from typing import Any, Self

import pytest

from environments.benchmark import DemonstrationStep, StepInfo, Task, TextEnvironment
from environments.evaluation import Outcome, by_type, evaluate, play_episode

TASKS = (Task("1", "odd", "train"), Task("2", "even", "train"), Task("3", "odd", "train"))


class Guessing(TextEnvironment):
    """Won by the number of the task; five guesses at most. Half a point for a guess just above."""

    closed = False

    def reset(self, *, seed: int | None = None, options: dict[str, str] | None = None) -> Any:
        self._number, self._guesses, self._score = int((options or {})["task"]), 0, 0.0
        return "guess", self._info()

    def step(self, action: str) -> Any:
        self._guesses += 1
        self._score = {0: 1.0, 1: 0.5}.get(int(action) - self._number, 0.0)
        won, out = self._score == 1.0, self._guesses >= 5
        return f"{action} is tried", 0.0, won, out and not won, self._info()

    def snapshot(self) -> Self:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True

    def _info(self) -> StepInfo:
        return {
            "admissible_actions": ("1", "2", "3"),
            "goal": "guess",
            "task_id": str(self._number),
            "task_type": "",
            "won": self._score == 1.0,
            "score": self._score,
        }


class Counting:
    """Guesses 1, 2, 3, … up to a limit and then the limit again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.begun: list[str] = []
        self.seen: list[str] = []

    def begin(self, observation: str, info: StepInfo) -> None:
        self.begun.append(info["task_id"])
        self._next = 0

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        self.seen.append(observation)
        self._next = min(self._next + 1, self._limit)
        return DemonstrationStep("count", str(self._next))


class Games:
    name = "guessing"
    splits = ("train",)

    def __init__(self) -> None:
        self.made: list[Guessing] = []

    def tasks(self, split: str) -> tuple[Task, ...]:
        assert split == "train"
        return TASKS

    def environment(self) -> Guessing:
        self.made.append(Guessing())
        return self.made[-1]


def test_an_episode_is_played_until_it_is_won() -> None:
    player = Counting(9)
    assert play_episode(Guessing(), player, TASKS[2]) == Outcome(TASKS[2], True, 1.0, 3)
    assert player.begun == ["3"]
    assert player.seen == ["guess", "1 is tried", "2 is tried"]


@pytest.mark.parametrize(("task", "score"), [(TASKS[0], 0.5), (TASKS[2], 0.0)])
def test_an_episode_that_is_cut_off_keeps_its_last_score(task: Task, score: float) -> None:
    class Twos(Counting):
        def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
            return DemonstrationStep("count", "2")

    assert play_episode(Guessing(), Twos(2), task) == Outcome(task, False, score, 5)


def test_every_task_is_played_once_in_one_environment_that_is_closed() -> None:
    games, player, done = Games(), Counting(9), []
    outcomes = evaluate(games, player, "train", lambda: done.append(len(player.begun)))  # type: ignore[arg-type]
    assert outcomes == [Outcome(task, True, 1.0, number + 1) for number, task in enumerate(TASKS)]
    assert player.begun == ["1", "2", "3"]
    assert done == [1, 2, 3], "called after each task"
    assert [environment.closed for environment in games.made] == [True]


def test_outcomes_are_grouped_by_sorted_type_in_their_order() -> None:
    outcomes = [Outcome(task, True, 1.0, 1) for task in TASKS]
    groups = by_type(outcomes)
    assert list(groups) == ["even", "odd"]
    assert groups["odd"] == [outcomes[0], outcomes[2]]
    assert by_type([]) == {}
