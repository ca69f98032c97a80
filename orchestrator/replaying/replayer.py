"""Plays a stored episode again: with its environment, prompts, adapters and seeds, and its own tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

import torch

from configuration.servers import ModelServerSettings
from core.role import Role
from environments import registry
from environments.benchmark import Benchmark, Task, TextEnvironment
from executor.service import ExecutorService
from orchestrator.replaying.differences import Difference, Within, in_episode, in_turn
from orchestrator.replaying.forced import ForcedEngine
from orchestrator.replaying.kept_adapters import KeptAdapters
from orchestrator.replaying.scoring import Scored, Scorer
from orchestrator.replaying.settings import ReplaySettings
from orchestrator.replaying.stored_players import (
    Acted,
    LongerThanStoredError,
    Planned,
    StoredExecutor,
    StoredPlanner,
)
from orchestrator.replaying.tolerance import Tolerance, remarks
from planner.service import PlannerService
from play.players import OneOfEach, Players
from run_folder.folder import RunFolder
from serving.model import DtypeName, compute_dtype, load_tokenizer, resolve_model, vocabulary_size
from trajectory.episode import Episode, Generation, Turn
from trajectory.lease import Lease
from trajectory.validation import check
from trajectory.wire import episode_to_pb


@dataclass(frozen=True)
class Replayed:
    """The result of a replay."""

    number: int
    turns: int
    sampled: int
    """Number of sampled tokens that were computed again."""
    largest: float
    """Largest difference between a stored and a computed log-probability, in nats."""
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        return not self.differences

    @property
    def only_near_ties(self) -> bool:
        """Whether there are differences, all of which are near ties."""
        return bool(self.differences) and all(each.near_tie for each in self.differences)

    @property
    def first(self) -> Difference | None:
        """The first difference that is not a near tie; if there is none, the first near tie."""
        others = [each for each in self.differences if not each.near_tie]
        return next(iter(others or self.differences), None)


@dataclass(frozen=True)
class Replayer:
    """Everything that the replays of a run's episodes share."""

    history: int
    """Largest number of earlier turns that prompts show."""
    vocabulary: int
    """Number of token ids of the base model."""
    adapters: KeptAdapters
    benchmark: Benchmark
    environment: TextEnvironment
    planner_engine: ForcedEngine
    planner: PlannerService
    executor_engine: ForcedEngine
    executor: ExecutorService
    within: Within
    """Accepted differences of log-probabilities."""
    remarks: tuple[str, ...]
    """Lines for people about differences that the number formats can make."""

    @classmethod
    def of(
        cls,
        settings: ReplaySettings,
        played: Mapping[Role, DtypeName],
        folder: RunFolder,
        run_id: str,
        nats: float | None = None,
    ) -> Self:
        """Loads the environment and the models.

        Args:
            settings: Settings of the replay.
            played: Number format of each role in the run's configuration.
            folder: Folder of the run.
            run_id: Id of the run.
            nats: Accepted difference of a log-probability; None for what the number format explains.

        Raises:
            BenchmarkError: the environment is unknown, or its data is missing; says which.
            NotFoundError: the base model is missing.
            InvalidInputError: the base model cannot be run.
        """
        benchmark = registry.load(settings.environment)
        model = resolve_model(settings.planner.model)
        roles = {Role.PLANNER: settings.planner, Role.EXECUTOR: settings.executor}
        # As many as a server has. More would change in which order numbers are added.
        torch.set_num_threads(max(each.threads for each in roles.values()))
        engines = {
            role: ForcedEngine(Scorer(model, each), each.context_length, thinks=each.think > 0)
            for role, each in roles.items()
        }
        formats = {role: (engines[role].dtype, compute_dtype(played[role])) for role in Role}
        tolerances = {role: _tolerance(formats[role], each, nats) for role, each in roles.items()}
        planner, executor = engines[Role.PLANNER], engines[Role.EXECUTOR]
        return cls(
            history=max(settings.planner.history, settings.executor.history),
            vocabulary=vocabulary_size(model),
            adapters=KeptAdapters(folder, run_id, model),
            benchmark=benchmark,
            environment=benchmark.environment(),
            planner_engine=planner,
            planner=PlannerService(planner, load_tokenizer(model.path), settings.planner),
            executor_engine=executor,
            executor=ExecutorService(executor, load_tokenizer(model.path), settings.executor),
            within=Within(tolerances[Role.PLANNER], tolerances[Role.EXECUTOR]),
            remarks=_remarks(
                {role: remarks(each, engines[role].dtype, tolerances[role]) for role, each in roles.items()}
            ),
        )

    async def replay(self, stored: Episode) -> Replayed:
        """Plays the episode again, and compares.

        Raises:
            EpisodeError: the stored episode is inconsistent; the message names turn and field.
            NotFoundError: an adapter is missing.
            BenchmarkError: the environment lacks the task.
            HiperError: a prompt cannot be rendered.
        """
        check(episode_to_pb(stored), self.vocabulary)
        planner = StoredPlanner(self.planner, self.planner_engine, self.adapters, stored.turns)
        executor = StoredExecutor(self.executor, self.executor_engine, self.adapters, stored.turns)
        turns: list[Turn] = []
        players = Players(
            models=OneOfEach(planner, executor),
            benchmark=self.benchmark,
            history=self.history,
            final_prompts=bool(stored.final_planner_prompt_ids),
            on_turn=turns.append,
        )
        task = Task(stored.key.task_id, stored.task_type, split="")
        try:
            replayed = await players.play(_lease(stored), task, self.environment)
        except LongerThanStoredError:
            replayed = None
        answers = _answers(stored, planner.planned, executor.acted)
        return Replayed(
            number=stored.number,
            turns=len(turns),
            sampled=sum(len(scored.sampled) for _, scored in answers),
            largest=max(_changes(answers), default=0.0),
            differences=(
                *_in_turns(stored, turns, planner.planned, executor.acted, self.within),
                *in_episode(stored, replayed),
            ),
        )

    def close(self) -> None:
        self.environment.close()


def _tolerance(
    formats: Iterable[torch.dtype], settings: ModelServerSettings, nats: float | None
) -> Tolerance:
    """The tolerance of the coarsest of the number formats, unless `nats` are given."""
    if nats is not None:
        return Tolerance(nats)
    return max((Tolerance.of(each, settings.temperature) for each in formats), key=lambda each: each.nats)


def _remarks(of_roles: Mapping[Role, Iterable[str]]) -> tuple[str, ...]:
    """The remarks with the names of the roles that they are about; equal ones together."""
    names: dict[str, list[str]] = {}
    for role, lines in of_roles.items():
        for line in lines:
            names.setdefault(line, []).append(role.value)
    return tuple(f"{' and '.join(roles)}: {line}" for line, roles in names.items())


def _lease(stored: Episode) -> Lease:
    """The lease that the episode was played under, as far as the play depends on it."""
    return Lease(
        lease_id=stored.lease_id,
        run_id=stored.key.run_id,
        number=stored.number,
        group=stored.group,
        attempt=stored.key.attempt,
        task_seed=0,  # The task is known.
        seed=stored.key.seed,
        version=0,
    )


def _in_turns(
    stored: Episode, turns: Sequence[Turn], planned: Sequence[Planned], acted: Sequence[Acted], within: Within
) -> Iterator[Difference]:
    for number, (plan, act, now) in enumerate(zip_longest(planned, acted, turns)):
        yield from in_turn(number, stored.turns[number], now, plan, act, within)


def _answers(
    stored: Episode, planned: Sequence[Planned], acted: Sequence[Acted]
) -> list[tuple[Generation, Scored]]:
    """The stored answers that were sampled, each as it was computed again."""
    pairs = [
        *((turn.plan.generation, each.forced) for turn, each in zip(stored.turns, planned, strict=False)),
        *((turn.act.generation, each.forced) for turn, each in zip(stored.turns, acted, strict=False)),
    ]
    return [(answer, forced.scored) for answer, forced in pairs if forced]


def _changes(answers: Iterable[tuple[Generation, Scored]]) -> Iterator[float]:
    """The difference of each log-probability."""
    for answer, scored in answers:
        # Not strict: no answer is asked for after a thought that ends where the stored one does not.
        for before, now in zip(answer.logprobs, scored.logprobs, strict=False):
            yield abs(before - now)
