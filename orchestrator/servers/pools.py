"""The pools of model servers that a run plays with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from configuration.tree import Configuration
from core.role import Role
from environments.benchmark import Benchmark
from orchestrator.clients.directory import Directory, static_table
from orchestrator.clients.models import CallTime, ExecutorClient, PlannerClient
from orchestrator.clients.pool_calls import CallLimits, EpisodeCalls, PoolCalls
from orchestrator.servers.connections import retry_policy
from play.players import Executor, Planner, Players
from serving.rpc.channel import Keepalive, open_channel
from serving.rpc.connection import Connection
from trajectory.episode import Turn
from trajectory.lease import Lease

_KEEPALIVE = Keepalive(seconds=2.0, timeout=2.5)
"""So that the calls of a server that is cut off go to another one within five seconds."""


@dataclass(frozen=True)
class ModelPools:
    """All model servers, with the time spent waiting for them. Implements `play.players.Models`."""

    directory: Directory
    planners: PoolCalls
    executors: PoolCalls
    planner_time: CallTime = field(default_factory=CallTime)
    executor_time: CallTime = field(default_factory=CallTime)

    @classmethod
    def of(cls, configuration: Configuration, directory: Directory) -> ModelPools:
        """The pools of the servers in a directory."""
        planners, executors = (
            _pool(configuration, role, directory) for role in (Role.PLANNER, Role.EXECUTOR)
        )
        return cls(directory, planners, executors)

    @contextmanager
    def playing(self, lease: Lease) -> Iterator[tuple[Planner, Executor]]:
        """Planner and executor of one episode, which is bound to a server of each role in the block."""
        with self.bound(lease.lease_id) as pair:
            yield pair

    @contextmanager
    def bound(self, episode: str) -> Iterator[tuple[PlannerClient, ExecutorClient]]:
        """Planner and executor for calls that belong together, under a name that no others have now."""
        try:
            yield (
                PlannerClient(EpisodeCalls(self.planners, episode), self.planner_time),
                ExecutorClient(EpisodeCalls(self.executors, episode), self.executor_time),
            )
        finally:
            for picker in self.directory.pickers.values():
                picker.release(episode)

    def players(
        self,
        configuration: Configuration,
        benchmark: Benchmark,
        final_prompts: bool = False,
        on_turn: Callable[[Turn], None] = lambda _: None,
        fenced: bool = False,
    ) -> Players:
        """The players for episodes of this benchmark; `final_prompts` are needed by some estimators.

        With `fenced`, they are answered by adapters of the lease's version or later ones only.
        """
        return Players(
            models=self,
            benchmark=benchmark,
            history=max(configuration.planner.history, configuration.executor.history),
            final_prompts=final_prompts,
            on_turn=on_turn,
            fenced=fenced,
        )


def static_directory(connections: Mapping[Role, Sequence[Connection]]) -> Directory:
    """A directory of these servers, for use without a learner."""
    return Directory(
        static_table({role: [each.server.address for each in those] for role, those in connections.items()})
    )


def _pool(configuration: Configuration, role: Role, directory: Directory) -> PoolCalls:
    tls = configuration.model_server(role).tls
    limits = CallLimits(
        seconds=configuration.orchestrator.call_seconds,
        policy=retry_policy(configuration, role.value),
        unready_seconds=configuration.pool.patience_seconds,
    )
    return PoolCalls(role, directory, limits, lambda address: open_channel(address, tls, _KEEPALIVE))
