"""Servers that are killed in mid-episode: the others answer instead, with the same tokens."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from configuration.command import read
from configuration.tree import Configuration
from core.role import Role
from environments import registry
from orchestrator.clients.directory import Directory, static_table
from orchestrator.servers.pools import ModelPools
from play.dispatch import Dispatcher
from play.every_task import EveryTask
from tests.end_to_end.processes import SMALL, ModelServer
from tests.end_to_end.tiny import tiny_model
from trajectory.episode import Episode, Turn

Servers = dict[Role, list[ModelServer]]

OPTIONS = (*SMALL, "--environment.step_limit=6", "--orchestrator.concurrency=4")
EXACT = ("--dtype=float64", "--context_length=4096")
REPLICAS, SAMPLES = 2, 2


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    model = tiny_model(tmp_path / "model")

    def start(role: Role) -> ModelServer:
        own = [option.replace("--", f"--{role.value}.") for option in EXACT]
        return ModelServer.start(role.value, f"--model={model}", *own)

    with ExitStack() as stack, ThreadPoolExecutor() as starting:
        started = list(starting.map(start, [role for role in Role for _ in range(REPLICAS)]))
        for each in started:
            stack.callback(each.stop)
        yield {role: started[n * REPLICAS :][:REPLICAS] for n, role in enumerate(Role)}


class Played:
    """The episodes, and servers that are killed after so many turns."""

    def __init__(self, strikes: dict[int, ModelServer]) -> None:
        self.episodes: dict[int, Episode] = {}
        self._strikes, self._turns = strikes, 0

    def turn(self, _: Turn) -> None:
        self._turns += 1
        if struck := self._strikes.get(self._turns):
            os.kill(struck.process.pid, signal.SIGKILL)

    def episode(self, episode: Episode) -> None:
        self.episodes[episode.number] = episode

    def episode_began(self) -> None: ...

    def episode_left(self) -> None: ...

    @property
    def turns(self) -> int:
        return self._turns

    @property
    def tokens(self) -> dict[int, Sequence[tuple[int, ...]]]:
        """What was sampled in each episode, turn by turn."""
        return {
            number: [
                generation.token_ids
                for turn in episode.turns
                for generation in (turn.plan.generation, turn.act.generation)
            ]
            for number, episode in self.episodes.items()
        }


def play(configuration: Configuration, servers: Servers, strikes: dict[int, ModelServer]) -> Played:
    """Plays all episodes without a learner."""
    played, benchmark = Played(strikes), registry.load(configuration.environment)
    tasks = benchmark.tasks("train")

    async def work() -> None:
        addresses = {role: [each.address for each in those] for role, those in servers.items()}
        pools = ModelPools.of(configuration, Directory(static_table(addresses)))
        await Dispatcher(
            episodes=EveryTask(tasks, SAMPLES, 0, lambda *_: None),
            players=pools.players(configuration, benchmark, on_turn=played.turn),
            benchmark=benchmark,
            tasks=tasks,
            concurrency=configuration.orchestrator.concurrency,
            observer=played,
        ).run()
        assert not any(picker.loads for picker in pools.directory.pickers.values())

    asyncio.run(work())
    return played


def test_a_planner_and_an_executor_that_are_killed_change_no_token(servers: Servers) -> None:
    configuration = read(OPTIONS, "test").configuration
    calm = play(configuration, servers, {})
    assert calm.turns > 20
    draw = Random(7)
    moments = draw.sample(range(1, calm.turns // 2), k=2)
    strikes = dict(zip(moments, (draw.choice(those) for those in servers.values()), strict=True))
    struck = play(configuration, servers, strikes)
    for server in strikes.values():
        assert server.process.wait(20) == -signal.SIGKILL
    assert struck.tokens == calm.tokens
    assert len(struck.tokens) == 6 * SAMPLES
