"""Runs of the learner without a model, for tests: a trainer that counts, a shelf in place of the servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from hiper.v1 import episode_pb2 as pb

from core.errors import CorruptDataError, HiperError, UnavailableError
from core.progress import Progress
from core.role import Role
from learner.service.gate import Schedule
from learner.service.run_parts import Publisher, Trainer, Update
from learner.service.training_run import TrainingRun
from play.broken import TooManyBrokenError
from run_folder.adapter_hashes import ADAPTERS_KEY, STATE_FILE
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.pair import AdapterPair
from tests.learner.service.episodes import as_leased
from trajectory.episode import Episode
from trajectory.lease import Finished, Lease

SCHEDULE = Schedule(updates=2, episodes_per_update=2, group_size=1, max_lag=0, lease_seconds=60.0, seed=1)
WARM = AdapterPair(Path("planner"), Path("executor"))


class CountingTrainer:
    """Keeps what the run asks of a trainer on disk, without a model: its state is the list of episodes."""

    begun_with: AdapterPair | None = None
    reference: AdapterPair | None = None
    memory = 0

    def __init__(self, crash_before_checkpoint: int | None = None) -> None:
        self.version = 0
        self.seen: list[int] = []
        self.remembered: list[tuple[int, list[int]]] = []
        self._crash = crash_before_checkpoint

    def load_adapters(self, pair: AdapterPair) -> None:
        self.begun_with = pair

    def load_reference(self, pair: AdapterPair) -> None:
        self.reference = pair

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        self.remembered.append((version, [e.number for e in episodes]))

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        self.version += 1
        self.seen += [e.number for e in episodes]
        advantages = [[TurnAdvantages(1.0, 2.0, None)] * len(e.turns) for e in episodes]
        return Update({"actor/loss": 0.5}, advantages)

    def save_adapter(self, role: Role, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text("{}")
        (folder / WEIGHTS_FILE).write_text(f"{role.value} {self.seen}")

    def skip_update(self) -> None:
        self.version += 1

    def save_checkpoint(self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str]) -> None:
        if self._crash == self.version:
            raise OSError("killed")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATE_FILE).write_text(json.dumps({ADAPTERS_KEY: dict(adapters)}))
        (folder / "state").write_text(" ".join(map(str, self.seen)))
        assert self.seen == list(consumed)

    def load_checkpoint(self, folder: Path) -> None:
        if not (folder / "state").exists():
            raise CorruptDataError(f"{folder} is cut off")
        self.version = int(folder.name)
        self.seen = [int(word) for word in (folder / "state").read_text().split()]


class Shelf:
    """Takes what is published and remembers the order."""

    def __init__(self) -> None:
        self.published: list[tuple[Role, int]] = []

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        assert (folder / WEIGHTS_FILE).exists()
        self.published.append((role, version))

    async def sleep(self) -> None:
        """Nobody shares a GPU."""

    async def lost(self) -> HiperError:
        return await asyncio.Future()


def warm_start(progress: Progress) -> AdapterPair:
    progress(1.0, "warm")
    return WARM


def open_run(
    root: Path,
    trainer: Trainer | None = None,
    shelf: Publisher | None = None,
    *,
    clock: Callable[[], float] = lambda: 0.0,
    keep_checkpoints: int = 3,
    make_trainer: Callable[[], Trainer] | None = None,
    first: Callable[[Progress], AdapterPair | None] = warm_start,
    epoch: int = 0,
    final_prompts: bool = False,
) -> TrainingRun:
    folder = RunFolder(root)
    made = trainer or CountingTrainer()
    return TrainingRun.of(
        folder,
        SCHEDULE,
        EpisodeStore(folder.episodes, "run"),
        make_trainer or (lambda: made),
        first,
        shelf or Shelf(),
        1000,
        final_prompts,
        clock,
        keep_checkpoints,
        epoch,
    )


def played_episode(run: TrainingRun, lease: Lease) -> pb.Episode:
    """The episode of a lease, answered by the adapters that the run published."""
    return as_leased(lease, run.loop.folder.pair(lease.version).hashes())


async def play(run: TrainingRun, broken: Collection[int] = ()) -> None:
    """Plays what the run leases until it has finished or failed; at the places `broken`, it breaks."""
    while True:
        try:
            outcome = run.admission.lease("run")
        except UnavailableError:
            return
        if isinstance(outcome, Finished):
            return
        if isinstance(outcome, Lease) and outcome.number in broken:
            reason = f"task {outcome.number}, turn 1: a bug"
            with contextlib.suppress(TooManyBrokenError):
                await run.admission.set_aside("run", outcome.lease_id, reason)
        elif isinstance(outcome, Lease):
            assert await run.admission.submit(played_episode(run, outcome))
        await asyncio.sleep(0)


def played(run: TrainingRun, broken: Collection[int] = ()) -> TrainingRun:
    """The run after its loop has ended, with somebody who plays."""

    async def work() -> None:
        await asyncio.gather(run.loop.run(), play(run, broken))

    asyncio.run(work())
    return run
