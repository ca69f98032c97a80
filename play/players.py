"""Plays one episode: calls planner, executor and environment alternately, and measures their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from core.seeds import derive
from core.tracing import span
from environments.benchmark import Benchmark, StepInfo, Task, name_of, telling_of
from environments.guarded import blamed
from environments.telling import Telling
from play.telling import shown, told
from trajectory.episode import Act, AdmissibleAction, Episode, EpisodeKey, Plan, Turn, TurnContext
from trajectory.fence import Fence
from trajectory.lease import Lease
from trajectory.machine import (
    Acting,
    Assignment,
    Finished,
    Planning,
    StepOutcome,
    Stepping,
    begin,
)

Clock = Callable[[], float]


class Planner(Protocol):
    """Decides on subgoals; a client of the planner's server, or a stand-in for it."""

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan: ...

    async def prompt(self, context: TurnContext) -> tuple[int, ...]:
        """The token ids of the prompt that `plan` would use; nothing is sampled."""


class Executor(Protocol):
    """Chooses actions; a client of the executor's server, or a stand-in for it."""

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act: ...

    async def prompt(self, context: TurnContext, actions: tuple[AdmissibleAction, ...]) -> tuple[int, ...]:
        """The token ids of the prompt that `act` would use; nothing is sampled."""


class Models(Protocol):
    """Supplies planner and executor: the same for every episode, or those that an episode is bound to."""

    def playing(self, lease: Lease) -> AbstractContextManager[tuple[Planner, Executor]]:
        """Planner and executor of the lease's episode, which is played in the block."""


@dataclass(frozen=True)
class OneOfEach:
    """The same planner and executor for every episode."""

    planner: Planner
    executor: Executor

    @contextmanager
    def playing(self, lease: Lease) -> Iterator[tuple[Planner, Executor]]:
        yield self.planner, self.executor


class Playable(Protocol):
    """An environment as players see it: a `TextEnvironment`, or a wrapper around one."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]: ...

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]: ...


def _ignore(_: Turn) -> None:
    pass


@dataclass(frozen=True)
class _Episode:
    """Who and what an episode is played with."""

    lease: Lease
    planner: Planner
    executor: Executor
    environment: Playable
    task: Task
    name: str
    """Name of the task's environment."""
    telling: Telling

    def blamed(self, moment: str) -> AbstractContextManager[None]:
        """A block in which the environment is at fault for all that is raised."""
        return blamed(f"environment {self.name}, task {self.task.id}, {moment}")

    def shown(self, info: StepInfo) -> tuple[AdmissibleAction, ...]:
        return shown(self.telling, info["admissible_actions"])


@dataclass(frozen=True)
class Players:
    """Plays episodes; holds what all episodes of a run share."""

    models: Models
    benchmark: Benchmark
    """Benchmark whose environments are played; its `telling` shortens the texts for the prompts."""
    history: int
    """Largest number of earlier turns in a context."""
    final_prompts: bool
    """Whether truncated episodes have the prompts at the final observation, for the critic's values there."""
    on_turn: Callable[[Turn], None] = _ignore
    """Callback for each finished turn."""
    fenced: bool = False
    """Whether only adapters of the lease's run and version, or later ones, may answer."""
    clock: Clock = field(default=time.perf_counter, repr=False)

    async def play(self, lease: Lease, task: Task, environment: Playable) -> Episode:
        """Plays an episode to its end.

        Raises:
            BrokenEnvironmentError: the environment failed; names task and turn. There is no episode then.
            HiperError: planner or executor failed; there is no episode either.
        """
        with self.models.playing(lease) as (planner, executor):
            name, telling = name_of(self.benchmark, task.id), telling_of(self.benchmark, task.id)
            return await self._played(_Episode(lease, planner, executor, environment, task, name, telling))

    async def _played(self, episode: _Episode) -> Episode:
        started, options = self.clock(), {"task": episode.task.id}
        with span("reset"), episode.blamed("reset"):
            observation, info = episode.environment.reset(seed=episode.lease.seed, options=options)
            goal = info["goal"]
            first = told(episode.telling, "", observation, goal)
        state: Planning | Finished = begin(self._assignment(episode), goal, observation, first)
        while isinstance(state, Planning):
            with span("turn", {"hiper.turn": state.context.turn}):
                state, info = await self._turn(state, episode, info)
            self.on_turn(state.progress.turns[-1])
        seconds = self.clock() - started
        if self.final_prompts and state.truncated:
            return state.episode(seconds, *await self._final_prompts(state, episode, info))
        return state.episode(seconds)

    async def _turn(
        self, state: Planning, episode: _Episode, info: StepInfo
    ) -> tuple[Planning | Finished, StepInfo]:
        began, number, seed = self.clock(), state.context.turn, episode.lease.seed
        may_plan, may_act = self._fences(episode.lease, state.progress.turns)
        with span("plan"):
            plan = await episode.planner.plan(state.context, derive(seed, "planner", number), may_plan)
        acting: Acting = state.planned(plan)
        with span("act"):
            act = await episode.executor.act(
                acting.context, episode.shown(info), derive(seed, "executor", number), may_act
            )
        stepping: Stepping = acting.acted(act)
        stepped = self.clock()
        with span("environment"), episode.blamed(f"turn {number}"):
            observation, reward, terminated, truncated, after = episode.environment.step(stepping.action)
            ended = self.clock()
            shortened = told(episode.telling, state.progress.observation, observation, state.progress.goal)
        outcome = StepOutcome(
            observation=observation,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            won=after["won"],
            score=after["score"],
            seconds=ended - stepped,
            told=shortened,
        )
        return stepping.stepped(outcome, ended - began), after

    def _fences(self, lease: Lease, turns: tuple[Turn, ...]) -> tuple[Fence | None, Fence | None]:
        """What may plan and act in the next turn: nothing older than in the turn before."""
        if not self.fenced:
            return None, None
        if not turns:
            return lease.fence, lease.fence
        last = turns[-1]
        return lease.fence.raised(last.plan.generation), lease.fence.raised(last.act.generation)

    async def _final_prompts(
        self, state: Finished, episode: _Episode, info: StepInfo
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        with span("final prompts"):
            return (
                await episode.planner.prompt(state.context),
                await episode.executor.prompt(state.context, episode.shown(info)),
            )

    def _assignment(self, episode: _Episode) -> Assignment:
        lease, task = episode.lease, episode.task
        return Assignment(
            key=EpisodeKey(lease.run_id, task.id, lease.seed, lease.attempt),
            number=lease.number,
            group=lease.group,
            lease_id=lease.lease_id,
            benchmark=episode.name,
            task_type=task.type,
            history=self.history,
        )
