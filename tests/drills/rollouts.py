"""Drills of whole runs of the tiny model: the orchestrator is killed, the clocks jump, and a soak."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
from hiper.v1 import learner_pb2, learner_pb2_grpc

from core.errors import HiperError
from run_folder.folder import RunFolder
from tests.drills.drill import Drills, Effort, Row
from tests.drills.life import Life
from tests.drills.servers import Server, server
from tests.drills.soak import soak
from tests.end_to_end.processes import SMALL, episodes, gone, pids
from tests.end_to_end.tiny import tiny_model
from trajectory.episode import Episode

_BATCH = 4
_LONGEST_START = 8.0
"""Seconds after which a life that is killed while it starts is killed at the latest."""
_LONGEST_PLAY = 3.0
"""Seconds after its first episode, which are one or two updates."""
_SERVERS_END = 30.0
"""Seconds in which the learner of a killed orchestrator ends."""
_SANE = 1800.0
"""Seconds; a time that was measured over a jump of the clock is not between 0 and this."""
_CLOCK = """
import os, random, sys, threading, time

_true, _offset = time.time, [0.0]

def _time():
    within_grpc = sys._getframe(1).f_globals.get("__name__", "").startswith("grpc.")
    return _true() + (0.0 if within_grpc else _offset[0])

time.time = _time
time.time_ns = lambda: int(1e9 * time.time())

def _jump():
    draw = random.Random(os.getpid())
    while True:
        time.sleep(draw.uniform(0.02, 0.2))
        _offset[0] = draw.choice((-3600.0, 0.0, 3600.0))
        with open(f"{os.path.dirname(__file__)}/jumps-{os.getpid()}", "ab") as file:
            file.write(b".")

threading.Thread(target=_jump, name="clock", daemon=True).start()
"""
"""Python imports it at the start of each process. It leaves a byte for each jump.

gRPC's Python part makes a deadline out of the time, which its C part at once compares with the same clock.
That one does not jump here, so that neither may.
"""


@dataclass(frozen=True)
class Models:
    """Planner and executor, on which run after run is played."""

    folder: Path
    base: Path
    """Folder of the base model."""
    servers: Sequence[Server]
    options: tuple[str, ...]
    """Options of a run, without addresses."""

    @property
    def addressed(self) -> tuple[str, ...]:
        return (*self.options, *(f"--{each.name}.address={each.address}" for each in self.servers))


RunDrill = Callable[[Models, Effort], Row]


def on_models(*drills: RunDrill) -> Drills:
    """Drills that run one after the other on the same model servers."""

    def run(effort: Effort) -> list[Row]:
        with tempfile.TemporaryDirectory() as name, ExitStack() as started, ThreadPoolExecutor() as threads:
            folder = Path(name)
            base = tiny_model(folder / "model")
            options = (*SMALL, f"--model={base}", f"--learner.episodes_per_update={_BATCH}")

            def start(role: str) -> Server:
                return started.enter_context(server(role, folder, *options))

            servers = list(threads.map(start, ("planner", "executor")))
            return [drill(Models(folder, base, servers, options), effort) for drill in drills]

    return run


def endurance(models: Models, effort: Effort) -> Row:
    """A soak; see `soak`."""
    folder = models.folder / "soaked"
    folder.mkdir()
    return soak(folder, models.base, models.servers, models.options, effort)


def kills(models: Models, effort: Effort) -> Row:
    """`kill -9` of the command at random moments of its life, its start included, then `--resume`.

    Its learner ends with it.
    """
    root, options = models.folder / "killed", models.addressed
    count, draw = effort.count(40), Random(effort.seed)
    known: dict[int, Episode] = {}
    survived = lost = 0
    for _ in range(count):
        life = _begin(root, options, updates=100_000)
        if draw.random() < 0.3:
            life.wait(draw.uniform(0, _LONGEST_START))
        else:
            life.wait_for_an_episode()
            life.wait(draw.uniform(0, _LONGEST_PLAY))
        lived = life.kill()
        missing = _missing(root, life, known) if _learner_is_gone(root) else None
        lost += len(missing or ())
        survived += lived and missing == set()
    updates = max(known, default=-1) // _BATCH + 2
    last = _begin(root, options, updates)
    code, missing = last.end(), _missing(root, last, known)
    versions = [line["adapter/version"] for line in _metrics(root)]
    places = set(range(updates * _BATCH))
    fine = code == 0 and missing == set() and set(known) == places and sorted(set(versions)) == versions
    note = f"then to its end: {len(places)} places, {updates} updates" if fine else str(last)
    doubled = len(versions) - len(set(versions))
    return Row("orchestrator, kill -9 and resumed", count, survived * fine, lost, doubled, note)


def lone_kills(models: Models, effort: Effort) -> Row:
    """The same while learner and model servers live on, so that an orchestrator starts within seconds."""
    root, playing = models.folder / "learning", models.folder / "playing"
    root.mkdir()
    count, draw = effort.count(160), Random(f"{effort.seed} alone")
    size = ("--learner.updates=100000", "--learner.lease_seconds=1")
    acknowledged: set[int] = set()
    survived = 0
    with server("learner", root, *models.addressed, *size, f"--run-dir={root / 'run'}") as learner:
        options = (*models.addressed, *size, f"--learner.address={learner.address}", f"--run-dir={playing}")
        for _ in range(count):
            life = Life(*options)
            if draw.random() < 0.7:
                life.wait_for_an_episode()
            life.wait(draw.uniform(0, _LONGEST_PLAY))
            survived += life.kill()
            acknowledged |= life.acknowledged
        last = Life(*options)
        last.wait_for_an_episode()
        with grpc.insecure_channel(learner.address) as channel:
            learner_pb2_grpc.LearnerServiceStub(channel).Stop(learner_pb2.StopRequest())
        code = last.end()
        kept = episodes(root / "run")
    lines = _metrics(root / "run")
    versions = [line["adapter/version"] for line in lines]
    trained = set(range(len(lines) * _BATCH))
    lost = len((acknowledged | last.acknowledged | trained) - kept.keys())
    fine = code == 0 and not lost and sorted(set(versions)) == list(range(1, len(lines) + 1))
    note = f"{len(kept)} places, {len(lines)} updates" if fine else str(last)
    doubled = len(versions) - len(set(versions))
    return Row("orchestrator alone, kill -9 and started again", count, survived * fine, lost, doubled, note)


def _begin(root: Path, options: tuple[str, ...], updates: int, first_on_path: Path | None = None) -> Life:
    size = f"--learner.updates={updates}"
    if RunFolder(root).episodes.exists():
        return Life(f"--run-dir={root}", "--resume", size)
    return Life(*options, f"--run-dir={root}", size, first_on_path=first_on_path)


def _learner_is_gone(root: Path) -> bool:
    """The learner sees the end of its parent and ends; until then it may store what was on its way."""
    ends = time.monotonic() + _SERVERS_END
    while time.monotonic() < ends:
        if not RunFolder(root).services.is_dir() or all(gone(pid) for pid in pids(root).values()):
            return True
        time.sleep(0.05)
    return False


def _missing(root: Path, life: Life, known: dict[int, Episode]) -> set[int] | None:
    """Acknowledged places that are not stored as they were; None if the store cannot be read."""
    try:
        kept = episodes(root) if RunFolder(root).episodes.exists() else {}
    except HiperError:
        # A learner that was killed while it made the store had acknowledged nothing.
        return None if known or life.acknowledged else set()
    missing = {number for number, episode in known.items() if kept.get(number) != episode}
    known |= kept
    return missing | (life.acknowledged - kept.keys())


def _metrics(root: Path) -> list[Mapping[str, float]]:
    return [json.loads(line) for line in RunFolder(root).metrics.read_text().splitlines()]


def jumps(models: Models, effort: Effort) -> Row:
    """A run in whose orchestrator and learner wall time jumps by an hour, either way, all the time."""
    updates, root, clock = effort.count(100, least=2), models.folder / "jumped", models.folder / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(_CLOCK)
    life = _begin(root, models.addressed, updates, first_on_path=clock)
    code = life.end()
    traces = [path.stat().st_size for path in clock.glob("jumps-*")]
    if code != 0 or len(traces) < 2:
        return Row("clocks, jumps of an hour", sum(traces), 0, note=str(life))
    played = episodes(root)
    lines = _metrics(root)
    times = [episode.seconds for episode in played.values()]
    times += [turn.seconds for episode in played.values() for turn in episode.turns]
    times += [value for line in lines for name, value in line.items() if name.startswith("timing_s/")]
    fine = (
        sorted(played) == list(range(updates * _BATCH))
        and [line["adapter/version"] for line in lines] == list(range(1, updates + 1))
        and all(0 <= seconds < _SANE for seconds in times)
        # A lease that was timed by the clock on the wall would have run out.
        and all(episode.key.attempt == 0 for episode in played.values())
    )
    note = f"in {len(traces)} processes; {len(played)} episodes, {updates} updates in order"
    return Row("clocks, jumps of an hour", sum(traces), sum(traces) * fine, note=note)
