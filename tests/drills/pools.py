"""Drills of pools: servers are killed in mid-episode, and restarted one after the other under load."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import grpc
from hiper.v1 import learner_pb2, learner_pb2_grpc, pool_pb2, pool_pb2_grpc

from core.role import Role
from run_folder.folder import RunFolder
from tests.drills.drill import Effort, Row
from tests.drills.life import Life
from tests.end_to_end.processes import SMALL, episodes, gone, run
from tests.end_to_end.tiny import tiny_model
from trajectory.episode import Episode
from trajectory.pool import MemberState, PoolTable
from trajectory.pool_wire import table_from_pb

Places = Mapping[int, Episode]

_LONGEST_CALM = 3.0
"""Seconds between two kills, at most."""
_REPLICAS = 2
"""Number of servers of each role that are killed."""
_ROLLING = 3
"""Number of servers of each role in the whole rolling restart; the short one has one less."""
_SECONDS = 600.0
"""Time in which a server that was restarted must be ready."""
_OPTIONS = (
    *SMALL,
    "--environment.step_limit=30",
    # In float32 one token in 100,000 or so depends on what else is in the batch: too many to compare runs.
    "--planner.dtype=float64",
    "--executor.dtype=float64",
    "--learner.dtype=float32",
    "--planner.context_length=4096",
    "--executor.context_length=4096",
    "--orchestrator.concurrency=4",
    # An episode whose lease lapsed would be played again with another seed.
    "--learner.lease_seconds=3600",
    "--pool.restarts=1000",
    "--pool.patience_seconds=3600",
    "--orchestrator.patience_seconds=3600",
    "--orchestrator.start_seconds=1800",
)


def strikes(effort: Effort) -> Row:
    """Kills planners and executors while episodes are played, and compares with a run in which none is."""
    drill, count, draw = "pools, kill -9 in mid-episode", effort.count(50, least=2), Random(effort.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = (*_OPTIONS, f"--model={tiny_model(folder / 'model')}", "--learner.episodes_per_update=8")
        replicas = [f"--{role.value}.replicas={_REPLICAS}" for role in Role]
        root = folder / "struck"
        life = Life(*options, *replicas, f"--run-dir={root}", "--learner.updates=100000")
        life.wait_for_an_episode()
        if life.ended:
            return Row(drill, count, 0, note=str(life))
        with _tables(_learner(root), _REPLICAS) as tables:
            injected = sum(_strike(life, root, tables, draw) for _ in range(count))
            code = _stopped(life, root)
        # As many as the struck run has made, and the one for which it was still gathering.
        updates = 1 + len(RunFolder(root).metrics.read_text().splitlines())
        calm = folder / "calm"
        calm_code, output = run(
            "orchestrator.rollout", *options, f"--run-dir={calm}", f"--learner.updates={updates}"
        )
        if code or calm_code:
            return Row(
                "pools, kill -9 in mid-episode", injected, 0, note=str(life) if code else output[-200:]
            )
        return _compared(drill, injected, life.acknowledged, episodes(root), episodes(calm))


def _compared(drill: str, injected: int, acknowledged: set[int], struck: Places, calm: Places) -> Row:
    """The row of a drill: `struck` and `calm` are the episodes of both runs by their places."""
    lost = acknowledged - struck.keys()
    played_again = [number for number, episode in struck.items() if episode.key.attempt]
    different = [number for number, episode in struck.items() if _said(episode) != _said(calm[number])]
    fine = not lost and not played_again and not different
    turns = sum(len(episode.turns) for episode in struck.values())
    note = f"{len(struck)} episodes, {turns} turns: " + (
        "every token as in the calm run"
        if fine
        else f"other tokens in {different}, played again: {played_again}"
    )
    return Row(drill, injected, injected * fine, len(lost), note=note)


def _said(episode: Episode) -> list[tuple[tuple[int, ...], ...]]:
    """The tokens that were sampled, turn by turn, with their prompts."""
    answers = [(turn.plan.generation, turn.act.generation) for turn in episode.turns]
    return [(p.prompt_ids, p.token_ids, a.prompt_ids, a.token_ids) for p, a in answers]


def _strike(life: Life, root: Path, tables: Sequence[PoolTable], draw: Random) -> int:
    """Kills a server at a moment when episodes are played; the number of servers that were killed."""
    life.wait(draw.uniform(0, _LONGEST_CALM))
    while not life.ended:
        if _playing(life) and all(tables[-1].ready(role) for role in Role):
            ready = {each.replica.address for role in Role for each in tables[-1].ready(role)}
            there = {
                at: pid for at, pid in sorted(_processes(root).values()) if at in ready and not gone(pid)
            }
            if there:
                os.kill(there[draw.choice(list(there))], signal.SIGKILL)
                return 1
        time.sleep(0.05)
    return 0


def _playing(life: Life) -> bool:
    told = [line for line in life.lines if "] learner: " in line]
    return bool(told) and "gathering" in told[-1]


def _processes(root: Path) -> dict[str, tuple[str, int]]:
    """Addresses and process ids of a run's servers by name, but for those that are just starting."""
    found = {}
    for path in RunFolder(root).services.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if not path.suffix:
                ready = json.loads(path.read_text())
                found[path.name] = str(ready["address"]), int(ready["pid"])
    return found


def _learner(root: Path) -> str:
    return str(json.loads(RunFolder(root).ready_file("learner").read_text())["address"])


def _stopped(life: Life, root: Path) -> int:
    """Ends a run after the update in flight; the orchestrator's exit code."""
    if not life.ended:
        with grpc.insecure_channel(_learner(root)) as channel:
            learner_pb2_grpc.LearnerServiceStub(channel).Stop(learner_pb2.StopRequest(), timeout=60)
    return life.end()


def rolling_restart(effort: Effort) -> Row:
    """Restarts all servers of both pools, one after the other, while episodes are played."""
    drill, draw = "pools, rolling restart", Random(effort.seed)
    servers = _ROLLING if effort.scale >= 1 else _ROLLING - 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = (*_OPTIONS, f"--model={tiny_model(folder / 'model')}", "--learner.updates=1")
        replicas = [f"--{role.value}.replicas={servers}" for role in Role]
        root = folder / "run"
        # So many episodes that the run does not end before the last restart.
        life = Life(*options, *replicas, f"--run-dir={root}", "--learner.episodes_per_update=100000")
        life.wait_for_an_episode()
        if life.ended:
            return Row(drill, 1, 0, note=str(life))
        names = [f"{role.value}-{number}" for role in Role for number in range(servers)]
        chosen = draw.sample(names, k=effort.count(len(names)))
        with _tables(_learner(root), servers) as tables:
            restarted = sum(_restart(each, root, tables, servers) for each in chosen)
            least = min(_ready(table) for table in tables)
            before = len(life.acknowledged)
            code = _stopped(life, root)
        again = [number for number, episode in episodes(root).items() if episode.key.attempt]
        lost = life.acknowledged - episodes(root).keys()
    fine = code == 0 and least >= servers - 1 and not again
    note = f"{before} episodes meanwhile, none twice; at least {least} of {servers} ready in each pool"
    note = note if fine else f"exit code {code}, played again: {again}, least ready: {least}; {life}"
    return Row(drill, len(chosen), restarted * fine, len(lost), note=note)


def _ready(table: PoolTable) -> int:
    """The number of ready servers in the smaller pool."""
    return min(len(table.ready(role)) for role in Role)


def _restart(name: str, root: Path, tables: Sequence[PoolTable], servers: int) -> bool:
    """Ends a server by SIGTERM, and waits until its pool is whole again."""
    process = _processes(root)[name]
    _until(lambda: _ready(tables[-1]) == servers)
    os.kill(process[1], signal.SIGTERM)
    return _until(lambda: _processes(root).get(name, process) != process and _whole(tables[-1], servers))


def _whole(table: PoolTable, servers: int) -> bool:
    absent = (MemberState.GONE, MemberState.DRAINING)
    there = [member for member in table.members if member.state not in absent]
    return len(there) == 2 * servers and all(member.state is MemberState.READY for member in there)


def _until(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def _tables(learner: str, replicas: int) -> Iterator[list[PoolTable]]:
    """The tables that the learner sends during the block, from one in which all servers are ready."""
    tables: list[PoolTable] = []

    def read(call: grpc.Call) -> None:
        with contextlib.suppress(grpc.RpcError):
            for message in call:  # type: ignore[attr-defined]
                table = table_from_pb(message)
                if tables or _ready(table) == replicas:
                    tables.append(table)

    with grpc.insecure_channel(learner) as channel:
        call = pool_pb2_grpc.PoolServiceStub(channel).WatchPool(pool_pb2.WatchPoolRequest())
        reading = threading.Thread(target=read, args=(call,), daemon=True)
        reading.start()
        _until(lambda: bool(tables))
        try:
            yield tables
        finally:
            call.cancel()
            reading.join()
