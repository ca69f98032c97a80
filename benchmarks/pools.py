"""`bazel run //benchmarks:pools`: what pools of many servers carry, simulated on one machine.

The learner's store, gate and pools, gRPC, the orchestrator with its picker, and ALFWorld are real. Only the
engines compute nothing: they wait as long as a measured one would. The latency model is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.simulation import control, fleet, load
from benchmarks.simulation.children import Child, child
from benchmarks.simulation.engine import LatencyModel
from benchmarks.simulation.playing import Played, play
from benchmarks.simulation.settings import BATCH, configuration
from core.role import Role
from environments import registry
from learner.imitation.shipped import FOLDER
from serving.adapters.pair import AdapterPair
from serving.model import resolve_model
from trajectory.wire import episode_to_pb

LATENCY = LatencyModel(prompt_token=2e-3, step=70e-3, sequence=4e-3)
"""Processor time of the embedded engine, with the bundled model in bfloat16 and one thread, on an AMD EPYC
(Zen 4) that was busy with other work."""
PARTS = ("executors", "pools", "routing", "control", "publish")
Tokens = dict[Role, Counter[str]]
"""Numbers of tokens of the servers of each role."""
COPIED = tuple(f"copied, {role.value}" for role in Role)
"""Headings of columns with the share of prompt tokens that were copied."""
_TEMPLATE_SECONDS = 90.0
"""Time in which some episodes are played whole, to be submitted again and again."""


@dataclass(frozen=True)
class Simulation:
    """What all parts share."""

    seed: int
    seconds: float
    warm_up: float
    latency: LatencyModel
    adapters: dict[Role, Path]
    console: Console

    @contextmanager
    def learner(self) -> Iterator[tuple[Child, str]]:
        """A control plane, and its address."""
        with (
            tempfile.TemporaryDirectory() as folder,
            child(control.main, configuration(self.seed, 1), folder, self.adapters) as process,
        ):
            yield process, str(process.answer())

    @contextmanager
    def servers(
        self, planners: int, executors: int, plays: bool = True
    ) -> Iterator[tuple[Child, Child, str]]:
        """A control plane, so many servers that serve its first version, and the learner's address."""
        with ExitStack() as running:
            learner, address = running.enter_context(self.learner())
            counts = {Role.PLANNER: planners, Role.EXECUTOR: executors}
            settings = configuration(self.seed, 1)
            servers = running.enter_context(child(fleet.main, settings, self.latency, address, counts, plays))
            servers.answer()
            learner.ask(("members", planners + executors))
            learner.ask(("publish", 0))
            yield learner, servers, address

    def played(
        self, planners: int, executors: int, sticky: bool = True, seconds: float | None = None
    ) -> tuple[Played, Tokens]:
        """Plays with so many servers; what was played, and the tokens of the servers."""
        settings = configuration(self.seed, BATCH * executors)
        benchmark = registry.load(settings.environment)
        tasks = benchmark.tasks(settings.orchestrator.split)
        with self.servers(planners, executors) as (_, servers, address):
            result = asyncio.run(
                play(settings, benchmark, tasks, address, self.warm_up, seconds or self.seconds, sticky)
            )
            return result, servers.ask("counted")

    def show(self, title: str, heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Prints a table, each row as soon as it is known."""
        self.console.print(f"\n{title}", highlight=False)
        for row in itertools.chain([heading], rows):
            cells = (cell.ljust(max(len(name), 8)) for cell, name in zip(row, heading, strict=True))
            self.console.print("  " + "  ".join(cells), highlight=False, soft_wrap=True)


def shared(counted: Counter[str]) -> float:
    """Share of the prompt tokens that were copied."""
    return counted["shared_prompt_tokens"] / (counted["shared_prompt_tokens"] + counted["prompt_tokens"])


def scaling(simulation: Simulation, title: str, sizes: Sequence[tuple[int, int]]) -> None:
    """Throughput of pools of these sizes, planners and executors, against the first ones."""

    def rows() -> Iterator[tuple[str, ...]]:
        first = 0.0
        for planners, executors in sizes:
            played, counted = simulation.played(planners, executors)
            first = first or played.turns_per_second
            times = played.turns_per_second / first
            row = (f"{planners} + {executors}", f"{played.turns_per_second:.1f}", f"{times:.2f}")
            busy = f"{played.processor_seconds / played.seconds:.0%}"
            yield (*row, *(f"{shared(counted[role]):.0%}" for role in Role), busy)

    heading = ("planners + executors", "turns/s", "times the first", *COPIED, "orchestrator's core")
    simulation.show(title, heading, rows())


def executors(simulation: Simulation) -> None:
    """More executors beside the same planners, of which there are so many that they are not what is short."""
    scaling(simulation, "more executors beside the same planners", [(8, 1), (8, 2), (8, 4)])


def pools(simulation: Simulation) -> None:
    """More servers of both roles."""
    scaling(simulation, "more servers of both roles", [(count, count) for count in (1, 2, 4, 8, 16)])


def routing(simulation: Simulation) -> None:
    """Episodes that stay with their servers, against calls that go to each server in turn."""

    def rows() -> Iterator[tuple[str, ...]]:
        for name, sticky in (("bound episodes", True), ("round-robin", False)):
            played, counted = simulation.played(4, 4, sticky)
            row = (name, f"{played.turns_per_second:.1f}", f"{1000 / played.turns_per_second:.0f} s")
            yield (*row, *(f"{shared(counted[role]):.0%}" for role in Role))

    heading = ("routing       ", "turns/s", "time for 1000 turns", *COPIED)
    simulation.show("routing, 4 planners and 4 executors", heading, rows())


def control_plane(simulation: Simulation) -> None:
    """What one learner's control plane carries."""
    played, _ = simulation.played(1, 1, seconds=_TEMPLATE_SECONDS)
    templates = [episode_to_pb(episode).SerializeToString() for episode in played.episodes]
    size = statistics.median(map(len, templates)) / 1024
    turns = statistics.mean(len(episode.turns) for episode in played.episodes)
    simulation.console.print(
        f"{len(templates)} episodes were played for this: {turns:.1f} turns on average, {size:.0f} KiB "
        f"(median); {load.AT_ONCE} calls at once"
    )

    def rows() -> Iterator[tuple[str, ...]]:
        with simulation.learner() as (learner, address):
            learner.ask(("offer", 0))
            with child(load.main, address, templates, resolve_model("bundled").fingerprint) as callers:
                for kind in ("episodes", "leases", "renewals", "heartbeats"):
                    before = learner.ask(("cpu", 0))
                    count, seconds = callers.ask((kind, simulation.seconds))
                    used = learner.ask(("cpu", 0)) - before
                    row = (kind, f"{count / seconds:.0f}", f"{1000 * used / count:.2f} ms")
                    yield (*row, f"{used / seconds:.0%}")

    heading = ("call      ", "per second", "learner's processor time each", "of one core")
    title = "the learner's control plane (an episode is one lease and one durable submit)"
    simulation.show(title, heading, rows())


def publish(simulation: Simulation) -> None:
    """Time until all servers answer with a new version."""

    def rows() -> Iterator[tuple[str, ...]]:
        for count in (1, 8, 64):
            with simulation.servers(count, count, plays=False) as (learner, _, _):
                before = learner.ask(("cpu", 0))
                times = [float(learner.ask(("publish", version))) for version in (1, 2, 3)]
                used = (learner.ask(("cpu", 0)) - before) / len(times)
                yield str(count), f"{min(times):.2f} s", f"{max(times):.2f} s", f"{used:.2f} s"

    size = sum(file.stat().st_size for file in simulation.adapters[Role.EXECUTOR].iterdir()) / 1e6
    heading = ("servers per role", "shortest of 3", "longest of 3", "learner's processor time")
    simulation.show(f"from publish to all servers serving, {size:.1f} MB for each", heading, rows())


RUN = dict(zip(PARTS, (executors, pools, routing, control_plane, publish), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=30.0, help="time of each measurement")
    parser.add_argument("--warm-up", type=float, default=10.0, help="time of playing before it")
    parser.add_argument("--slower", type=float, default=1.0, help="factor of all times of the engines")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    latency, console = LATENCY.slower(options.slower), Console(width=110)
    console.print(f"engine: {latency}; batches of {BATCH}; seed {options.seed}", highlight=False)
    adapters = dict(AdapterPair.within(FOLDER / "alfworld_transcript").items())
    simulation = Simulation(options.seed, options.seconds, options.warm_up, latency, adapters, console)
    begun = time.monotonic()
    for part in options.parts:
        RUN[part](simulation)
    console.print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
