"""A whole training run in one process, without servers.

Starting the servers of a small model takes as long as many of its updates.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from configuration.tree import Configuration
from core.errors import HiperError
from core.progress import Progress
from core.role import Role
from core.together import together
from learner.imitation.first import first_adapters
from learner.service.admission import Admission
from learner.service.gate import Schedule
from learner.service.training_loop import TrainingLoop
from learner.service.training_run import TrainingRun
from learner.update.trainer import Trainer, TrainerSettings
from orchestrator.preflight.checks import Inputs, check_inputs
from play.dispatch import Dispatcher
from play.schedule import identity
from run_folder.epoch import count_epoch
from run_folder.folder import RunFolder
from run_folder.holding import hold_as_learner
from run_folder.opening import hold
from run_folder.store import EpisodeStore
from serving.adapters.folder import folder_hash
from serving.engine import LoadedAdapter
from serving.model import resolve_model, vocabulary_size
from studies.nano.local import Engines, engines, local_players
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease, TaskList, Wait
from trajectory.wire import episode_to_pb

OnEpisode = Callable[[], None]
"""Callback for each episode that has been stored."""


def train_in_process(configuration: Configuration, on_episode: OnEpisode = lambda: None) -> None:
    """Plays the run of `run.dir` to its end, as `rollout` does, and resumes it with `run.resume`.

    Raises:
        HiperError: the run cannot be played, or it failed.
    """
    root = configuration.run.dir
    assert root is not None
    inputs = check_inputs(configuration)
    playing = hold(root, configuration)
    training = hold_as_learner(playing.folder, 0.0)
    try:
        asyncio.run(_play(configuration, playing.folder, inputs, on_episode))
    finally:
        training.release()
        playing.release()


async def _play(
    configuration: Configuration, folder: RunFolder, inputs: Inputs, on_episode: OnEpisode
) -> None:
    model = resolve_model(configuration.planner.model)
    store = EpisodeStore.of_run(folder.episodes, f"{folder.root.name}-{secrets.token_hex(4)}")
    final_prompts = configuration.estimator.bootstrap == "final"
    async with engines(model, configuration.planner) as made:
        run = _training_run(configuration, folder, store, made)
        dispatcher = Dispatcher(
            episodes=_Episodes(run.admission, store.run_id, identity(inputs.tasks, inputs.parts)),
            players=local_players(
                made,
                model,
                configuration.planner,
                inputs.benchmark,
                final_prompts=final_prompts,
                fenced=True,
            ),
            benchmark=inputs.benchmark,
            tasks=inputs.tasks,
            parts=inputs.parts,
            concurrency=configuration.orchestrator.concurrency,
            observer=_Observer(on_episode),
        )
        try:
            await together(dispatcher.run(), _whole(run.loop))
        finally:
            store.close()


def _training_run(
    configuration: Configuration, folder: RunFolder, store: EpisodeStore, engines: Engines
) -> TrainingRun:
    model, learner, seed = (
        resolve_model(configuration.learner.model),
        configuration.learner,
        configuration.run.seed,
    )
    settings = TrainerSettings.of(configuration)
    epoch = count_epoch(folder)
    return TrainingRun.of(
        folder=folder,
        schedule=Schedule(
            updates=learner.updates,
            episodes_per_update=learner.episodes_per_update,
            group_size=learner.group_size,
            max_lag=learner.max_lag,
            lease_seconds=learner.lease_seconds,
            seed=seed,
        ),
        store=store,
        make_trainer=lambda: Trainer(settings, model, seed),
        warm_start=lambda progress: first_adapters(configuration, model, progress),
        publisher=_Publisher(engines, store.run_id, epoch),
        vocabulary=vocabulary_size(model),
        final_prompts=configuration.estimator.bootstrap == "final",
        keep_checkpoints=learner.keep_checkpoints,
        epoch=epoch,
    )


async def _whole(loop: TrainingLoop) -> None:
    """Makes all updates; raises the error that ended them."""
    failure = await loop.run()
    if failure is not None:
        raise failure


@dataclass(frozen=True)
class _Publisher:
    """Switches the engines to new adapters; implements the learner's `Publisher`."""

    engines: Engines
    run_id: str
    epoch: int

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        adapter = LoadedAdapter.of_run(self.run_id, role, self.epoch, version, folder, folder_hash(folder))
        await self.engines[role].switch(adapter)

    async def sleep(self) -> None:
        """Does nothing: the engines share the learner's process."""

    async def lost(self) -> HiperError:
        """Never returns: what is in this process is there as long as the run is."""
        return await asyncio.Future()


@dataclass(frozen=True)
class _Episodes:
    """The learner's admission as the dispatcher's `Episodes`."""

    admission: Admission
    run_id: str
    tasks: TaskList

    async def lease(self) -> Lease | Wait | Finished:
        return self.admission.lease(self.run_id, "", self.tasks)

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        return self.admission.renew(self.run_id, [lease.lease_id for lease in leases])

    async def submit(self, episode: Episode) -> bool:
        return await self.admission.submit(episode_to_pb(episode))

    async def set_aside(self, lease: Lease, reason: str) -> None:
        await self.admission.set_aside(self.run_id, lease.lease_id, reason)


@dataclass(frozen=True)
class _Observer:
    """Passes on only that an episode was stored; implements the dispatcher's `Observer`."""

    on_episode: OnEpisode

    def episode_began(self) -> None:
        """Not passed on."""

    def episode_left(self) -> None:
        """Not passed on."""

    def episode(self, episode: Episode) -> None:
        self.on_episode()

    def set_aside(self, reason: str) -> None:
        """Not passed on."""
