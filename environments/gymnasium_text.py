"""Any registered gymnasium environment with text observations and text actions, as it is.

`gymnasium:ID` names one; with `gymnasium:package.module:ID`, gymnasium imports the package first. A task is
a seed of the environment's `reset`.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import gymnasium

from configuration.environment import EnvironmentSettings
from core.seeds import derive
from environments.benchmark import DemonstrationStep, Policy, StepInfo, Task, TextEnvironment
from environments.errors import (
    ActionTypeError,
    BrokenEnvironmentError,
    EpisodeError,
    NoDemonstrationError,
    UnknownEnvironmentError,
    UnknownPolicyError,
    UnknownSplitError,
    UnknownTaskError,
)
from environments.telling import Telling

_SPLITS = ("train", "valid_unseen")
_ACTION_FIELDS = ("admissible_actions", "admissible_commands", "available_actions")
"""Names under which text environments list the possible actions in `info`."""
_WON_FIELDS = ("won", "is_success", "success")
_SUBGOAL = "finish the task"


class GymnasiumTextEnvironment(TextEnvironment):
    """Plays a gymnasium environment; adds the step limit, and the fields of `info` that it lacks."""

    def __init__(self, make: Callable[[], Any], kind: str, tasks: Sequence[str], step_limit: int) -> None:
        self._make, self._kind, self._tasks, self._step_limit = make, kind, tuple(tasks), step_limit
        self._inner = make()
        self._task, self._goal, self._steps, self._over = "", "", 0, True

    def reset(  # type: ignore[override]  # as in TextEnvironment
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        task = (options or {}).get("task") or self._tasks[derive(seed or 0, "task") % len(self._tasks)]
        if task not in self._tasks:
            raise UnknownTaskError(task, self._tasks)
        observation, info = self._inner.reset(seed=_seed_of(task))
        self._task, self._steps, self._over = task, 0, False
        self._goal = _goal(info, observation)
        return observation, self._info(info, False, 0.0)

    def step(  # type: ignore[override]
        self, action: str
    ) -> tuple[str, float, bool, bool, StepInfo]:
        if not isinstance(action, str):
            raise ActionTypeError(action)
        if self._over:
            raise EpisodeError("the episode is over: call reset before the next step")
        observation, reward, terminated, truncated, info = self._inner.step(action)
        self._steps += 1
        cut = not terminated and (truncated or self._steps >= self._step_limit)
        self._over = bool(terminated or cut)
        won = bool(next((info[name] for name in _WON_FIELDS if name in info), terminated and reward > 0))
        return observation, float(reward), bool(terminated), bool(cut), self._info(info, won, float(reward))

    def snapshot(self) -> Self:
        if not self._task:
            raise EpisodeError("there is no episode: call reset first")
        return copy.deepcopy(self)

    def close(self) -> None:
        self._inner.close()

    def _info(self, info: dict[str, Any], won: bool, reward: float) -> StepInfo:
        score = info.get("score", float(won))
        actions = next((info[name] for name in _ACTION_FIELDS if name in info), ())
        return StepInfo(
            admissible_actions=tuple(actions),
            goal=self._goal,
            task_id=self._task,
            task_type=self._kind,
            won=won,
            score=min(max(float(score), 0.0), 1.0),
        )


class RandomPlayer:
    """Takes an admissible action at random; where none are listed, a sample of the action space."""

    def __init__(self, space: Any, seed: int) -> None:
        self._space, self._random = space, random.Random(seed)
        space.seed(seed)

    def begin(self, observation: str, info: StepInfo) -> None:
        """Keeps nothing of an episode."""

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        actions = info["admissible_actions"]
        action = self._random.choice(actions) if actions else str(self._space.sample())
        return DemonstrationStep(_SUBGOAL, action)


class GymnasiumBenchmark:
    """A gymnasium environment's seeds as tasks."""

    splits = _SPLITS
    telling = Telling()

    def __init__(
        self,
        settings: EnvironmentSettings,
        make: Callable[[], Any],
        kind: str,
        seeds: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """`seeds` are those of each split, by default `generator.games` in each."""
        self.name = settings.name
        self._make, self._kind, self._step_limit = make, kind, settings.step_limit
        chosen = _seeds(settings) if seeds is None else seeds
        self._ids = {split: tuple(f"{split}/{seed:08d}" for seed in chosen[split]) for split in self.splits}
        inner = make()
        self._space = inner.action_space
        inner.close()

    def tasks(self, split: str) -> tuple[Task, ...]:
        if split not in self._ids:
            raise UnknownSplitError(split, self.splits)
        return tuple(Task(each, self._kind, split) for each in self._ids[split])

    def environment(self) -> GymnasiumTextEnvironment:
        every = [each for ids in self._ids.values() for each in ids]
        return GymnasiumTextEnvironment(self._make, self._kind, every, self._step_limit)

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        raise NoDemonstrationError(self.name)

    def policy(self, name: str, seed: int) -> Policy:
        if name != "random":
            raise UnknownPolicyError(name, ("random",))
        return RandomPlayer(self._space, seed)


def _seeds(settings: EnvironmentSettings) -> dict[str, range]:
    first = settings.seed * 1_000_000
    return {
        split: range(start, start + settings.generator.games)
        for split, start in zip(_SPLITS, (first, first + 500_000), strict=True)
    }


def _seed_of(task: str) -> int:
    return int(task.rpartition("/")[2])


def _goal(info: dict[str, Any], observation: Any) -> str:
    """The task in words: what `info` calls so, otherwise the first line of the first observation."""
    for name in ("goal", "instruction", "objective", "task"):
        if isinstance(info.get(name), str) and info[name].strip():
            return str(info[name])
    lines = observation.strip().splitlines() if isinstance(observation, str) else []
    return lines[0] if lines else "play the game"


def load(settings: EnvironmentSettings) -> GymnasiumBenchmark:
    """The environment `gymnasium:ID`.

    Raises:
        UnknownEnvironmentError: gymnasium has no environment of this id.
        BrokenEnvironmentError: its observations or actions are not text.
    """
    name = settings.name.partition(":")[2]

    def make() -> Any:
        # Our own checks name task and turn; gymnasium's would only warn.
        return gymnasium.make(name, disable_env_checker=True)

    try:
        environment = make()
    except gymnasium.error.UnregisteredEnv as error:
        raise UnknownEnvironmentError(name, gymnasium.registry) from error
    except ModuleNotFoundError as error:
        raise UnknownEnvironmentError(name, gymnasium.registry) from error
    for what, space in (
        ("observations", environment.observation_space),
        ("actions", environment.action_space),
    ):
        if not isinstance(space, gymnasium.spaces.Text):
            raise BrokenEnvironmentError(
                f"gymnasium's {name} has {what} of {type(space).__name__}; only Text spaces are played"
            )
    environment.close()
    return GymnasiumBenchmark(settings, make, name)
