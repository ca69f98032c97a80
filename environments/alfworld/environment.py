"""ALFWorld as an environment: gymnasium's `reset` and `step` around one episode."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol, Self

import gymnasium

from environments.benchmark import StepInfo, Task, TextEnvironment
from environments.errors import ActionTypeError, EpisodeError


class Playthrough(Protocol):
    """An episode of either engine: our `Episode`, or TextWorld's."""

    @property
    def admissible(self) -> tuple[str, ...]: ...

    @property
    def won(self) -> bool: ...

    def introduction(self) -> str: ...

    def act(self, command: str) -> str: ...

    def copy(self) -> Playthrough: ...


@dataclass(frozen=True)
class Started:
    """A game that has just been started."""

    task: Task
    goal: str
    playthrough: Playthrough


class Backend(Protocol):
    """Starts games for one environment, on our engine or TextWorld's."""

    def start(self, task_id: str) -> Started:
        """Starts the game of a task; `UnknownTaskError` if there is none."""
        ...

    def twin(self) -> Backend:
        """A backend for a snapshot: the games it starts do not disturb those started here."""
        ...

    def close(self) -> None:
        """Releases the backend's resources; starting another game acquires them again."""
        ...


class AlfworldEnvironment(TextEnvironment):
    """ALFWorld as text. The reward is 1 for the step that wins and 0 otherwise; a game cannot be lost."""

    def __init__(self, backend: Backend, task_ids: tuple[str, ...], step_limit: int) -> None:
        """`task_ids` are the tasks that `reset` draws from when none is named."""
        self._backend = backend
        self._task_ids = task_ids
        self._step_limit = step_limit
        self._started: Started | None = None
        self._steps = 0

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        gymnasium.Env.reset(self, seed=seed)
        task_id = (options or {}).get("task")
        if task_id is None:
            task_id = self._task_ids[int(self.np_random.integers(len(self._task_ids)))]
        self._started = self._backend.start(task_id)
        self._steps = 0
        return self._started.playthrough.introduction(), self._info(self._started)

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:  # type: ignore[override]
        if not isinstance(action, str):
            raise ActionTypeError(action)
        started = self._running()
        observation = started.playthrough.act(action)
        self._steps += 1
        won = started.playthrough.won
        return observation, float(won), won, self._steps >= self._step_limit and not won, self._info(started)

    def snapshot(self) -> Self:
        twin = copy.copy(self)
        twin._backend = self._backend.twin()
        # The shallow copy would share the random generator, and each draw would disturb the other.
        twin._np_random = copy.deepcopy(self._np_random)
        if self._started is not None:
            task, goal = self._started.task, self._started.goal
            twin._started = Started(task, goal, self._started.playthrough.copy())
        return twin

    def close(self) -> None:
        self._backend.close()

    def _running(self) -> Started:
        if self._started is None:
            raise EpisodeError("call reset before the first step")
        if self._started.playthrough.won or self._steps >= self._step_limit:
            raise EpisodeError("the episode is over: call reset before the next step")
        return self._started

    @staticmethod
    def _info(started: Started) -> StepInfo:
        won = started.playthrough.won
        return StepInfo(
            admissible_actions=started.playthrough.admissible,
            goal=started.goal,
            task_id=started.task.id,
            task_type=started.task.type,
            won=won,
            score=float(won),
        )
