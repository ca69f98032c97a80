"""`bazel run //learner:server`: gathers episodes, updates both adapters, pushes them to the model servers."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import grpc
from hiper.v1 import episode_pb2_grpc, learner_pb2_grpc, pool_pb2_grpc

from configuration import command
from configuration.files import to_toml
from configuration.tree import Configuration
from core import tracing
from core.errors import ConfigurationError, HiperError
from core.freed_memory import keep_freed_memory
from core.imports import collection_paused
from core.progress import Progress
from core.role import Role
from core.together import cancelled
from learner.pool.listed import ListedServers
from learner.pool.membership import RunIdentity
from learner.pool.pool import ReplicaPool
from learner.pool.servers import PoolServers
from learner.pool.servicer import PoolServicer
from learner.service.admission import Admission
from learner.service.gate import Schedule
from learner.service.launch import launch, must_launch
from learner.service.run_parts import Trainer
from learner.service.servicer import EpisodeServicer, LearnerServicer
from learner.service.status import StatusBoard
from learner.service.training_run import TrainingRun
from run_folder.epoch import count_epoch
from run_folder.folder import RunFolder
from run_folder.holding import hold_as_learner
from run_folder.sinks import sinks_for
from run_folder.store import EpisodeStore
from serving.adapters.claims import ServerClaims
from serving.adapters.pair import AdapterPair
from serving.adapters.replicas import ReplicaConnections
from serving.adapters.sender import AdapterSender
from serving.model import ModelFolder, resolve_model, use_gpus, vocabulary_size
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer, ServerFlags, Service, serve_until_stopped

PROGRAM = "learner server"
_END_SECONDS = 5.0
"""Time that a learner of this folder whose run was killed needs to end, beyond its drain time."""

_TELLING_SECONDS = 10.0
"""Time in which a learner whose training has failed still answers the run that started it. The run asks for
the status many times in it, and so learns the reason."""


def services(admission: Admission, status: StatusBoard, pool: ReplicaPool) -> tuple[Service, ...]:
    """What the learner offers."""

    def register_episodes(server: grpc.aio.Server) -> None:
        servicer = EpisodeServicer(admission, pool.report_loads)
        episode_pb2_grpc.add_EpisodeServiceServicer_to_server(servicer, server)

    def register_learner(server: grpc.aio.Server) -> None:
        learner_pb2_grpc.add_LearnerServiceServicer_to_server(LearnerServicer(status, admission), server)

    def register_pool(server: grpc.aio.Server) -> None:
        pool_pb2_grpc.add_PoolServiceServicer_to_server(PoolServicer(pool), server)

    return (
        Service("hiper.v1.EpisodeService", register_episodes),
        Service("hiper.v1.LearnerService", register_learner, tells_failures=True),
        Service("hiper.v1.PoolService", register_pool, tells_failures=True),
    )


@dataclass(frozen=True)
class LearnerParts:
    """A run, with what it reaches the model servers by."""

    run: TrainingRun
    pool: ReplicaPool
    claims: ServerClaims
    connections: ReplicaConnections


MakeTrainer = Callable[[ModelFolder], Trainer]


def learner_parts(configuration: Configuration, folder: RunFolder, make_trainer: MakeTrainer) -> LearnerParts:
    """The run in `folder`, from whose store, checkpoints and metrics it continues."""
    store = EpisodeStore.of_run(folder.episodes, f"{folder.root.name}-{secrets.token_hex(4)}")
    model = resolve_model(configuration.learner.model)
    seed = configuration.run.seed
    learner = configuration.learner
    epoch = count_epoch(folder)
    identity = RunIdentity(store.run_id, epoch, model.fingerprint)
    claims = ServerClaims(store.run_id, f"{socket.gethostname()}:{os.getpid()}")
    connections = _connections(configuration, identity, claims)
    pool = ReplicaPool(
        identity,
        PoolServers(connections),
        configuration.pool,
        learner.lease_seconds,
        sleepers=[role for role in Role if configuration.model_server(role).sleep_while_updating],
    )
    run = TrainingRun.of(
        folder=folder,
        epoch=epoch,
        schedule=Schedule(
            updates=learner.updates,
            episodes_per_update=learner.episodes_per_update,
            group_size=learner.group_size,
            max_lag=learner.max_lag,
            lease_seconds=learner.lease_seconds,
            seed=seed,
        ),
        store=store,
        vocabulary=vocabulary_size(model),
        final_prompts=configuration.estimator.bootstrap == "final",
        make_trainer=lambda: make_trainer(model),
        warm_start=partial(_first_adapters, configuration, model),
        keep_checkpoints=learner.keep_checkpoints,
        publisher=pool,
        sinks=sinks_for(configuration.run, store.run_id, folder),
    )
    return LearnerParts(run, pool, claims, connections)


def _connections(configuration: Configuration, run: RunIdentity, claims: ServerClaims) -> ReplicaConnections:
    def open_to(role: Role, address: str) -> grpc.aio.Channel:
        return open_channel(address, configuration.model_server(role).tls)

    push_seconds = configuration.orchestrator.start_seconds / 3
    sender = AdapterSender(run.run_id, run.base_model, push_seconds, run.epoch, claims)
    return ReplicaConnections(open_to, sender, claims, configuration.pool.expiry_seconds)


# These import PyTorch, which takes seconds. The thread that trains calls them: the learner serves meanwhile,
# and the model servers that wait for its address start at the same time.


def _trainer(configuration: Configuration, model: ModelFolder) -> Trainer:
    with collection_paused():
        from learner.trainers import make_trainer

    return make_trainer(configuration, model)


def _first_adapters(
    configuration: Configuration, model: ModelFolder, progress: Progress
) -> AdapterPair | None:
    from learner.imitation.first import first_adapters

    return first_adapters(configuration, model, progress)


async def serve_learner(configuration: Configuration, flags: ServerFlags, make_trainer: MakeTrainer) -> None:
    """Serves until it is told to end, and trains at the same time.

    A learner whose training has failed is not healthy, but answers what has failed: until it is stopped, or
    for some seconds if a run has started it.

    Raises:
        ConfigurationError: another learner trains in the run's folder.
        HiperError: the training has failed.
    """
    folder = _folder(configuration)
    # Never released: the thread of an update may write until the process ends.
    hold_as_learner(folder, configuration.learner.drain_seconds + _END_SECONDS)
    parts = learner_parts(configuration, folder, make_trainer)
    listed = ListedServers(
        parts.pool,
        parts.connections.describe,
        {role: configuration.model_server(role).addresses for role in Role},
    )
    training = asyncio.create_task(parts.run.loop.run())
    beside = [asyncio.create_task(work) for work in (parts.pool.run(), listed.run(), parts.claims.keep())]

    async def failure() -> HiperError:
        watched = (asyncio.ensure_future(_failed(training)), *beside)
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_EXCEPTION)
        error = next(filter(None, (task.exception() for task in done)))
        # Servers that sleep would wait for the next version as long as this process tells what has failed.
        await parts.claims.release()
        return error if isinstance(error, HiperError) else HiperError(f"{type(error).__name__}: {error}")

    server = GrpcServer(configuration.learner, services(parts.run.admission, parts.run.status, parts.pool))
    try:
        seconds = _TELLING_SECONDS if flags.exit_with_parent else None
        await serve_until_stopped(server, flags, failure, seconds, parts.pool.watched)
    finally:
        training.cancel()
        await cancelled(*beside)
        await parts.claims.release()
        await parts.connections.close()


async def _failed(training: asyncio.Task[HiperError | None]) -> NoReturn:
    """Raises the error of a training that has failed."""
    if error := await asyncio.shield(training):
        raise error
    await asyncio.Event().wait()  # For ever: a learner that has finished continues to serve.
    raise AssertionError


def _folder(configuration: Configuration) -> RunFolder:
    if configuration.run.dir is None:
        raise ConfigurationError("the learner keeps what it gathers and makes: --run-dir DIR says where")
    return RunFolder(configuration.run.dir)


def _work(configuration: Configuration, flags: ServerFlags, argv: Sequence[str]) -> None:
    use_gpus(configuration.learner.gpus)
    if must_launch(configuration.learner):
        launch(configuration.learner, "learner.server", argv)
    keep_freed_memory()
    make_trainer: MakeTrainer = partial(_trainer, configuration)
    if configuration.learner.with_deepspeed:
        from learner import trainers
        from learner.update.ranks import join

        ranks = join(configuration.learner.ranks)
        if not ranks.leads:
            trainers.follow_rank_0(configuration, ranks, _folder(configuration))
            return
        make_trainer = partial(trainers.make_trainer, configuration, ranks=ranks)
    with tracing.traced(configuration.run.trace, "learner"):
        asyncio.new_event_loop().run_until_complete(serve_learner(configuration, flags, make_trainer))


def main(argv: Sequence[str]) -> int:
    """The command; does not return once the training runs, except by the error with which it failed."""
    line = command.read(argv, PROGRAM, ServerFlags)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if line.flags.dry_run:
        print(to_toml(line.configuration))
        return 0
    _work(line.configuration, line.flags, argv)
    logging.shutdown()
    sys.stdout.flush()
    # A plain return would wait for the thread of an update, which can take minutes. Nothing is lost by not
    # waiting: what is kept is written beside and renamed, or committed.
    os._exit(0)


if __name__ == "__main__":
    command.main(main)
