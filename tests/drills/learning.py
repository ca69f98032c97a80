"""A learner for drills: its files are the real ones, its training is a sum."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from hiper.v1 import episode_pb2 as pb
from safetensors.torch import save_file

from core.errors import HiperError
from core.files import written_beside
from core.progress import Progress
from core.role import Role
from learner.service.run_parts import Trainer, Update
from learner.service.training_run import TrainingRun
from learner.update.checkpoint import Checkpoint, CheckpointState, read_checkpoint, write_checkpoint
from run_folder.folder import RunFolder
from run_folder.holding import hold_as_learner
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.pair import AdapterPair
from tests.learner.service.episodes import stamped
from tests.learner.service.runs import SCHEDULE
from trajectory.episode import Episode
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease

VOCABULARY = 97
_MADE_FOR = {"base_fingerprint": "drill"}


class SummingTrainer:
    """Its adapters depend on every episode that it was trained on, and on their order."""

    memory = 0

    def __init__(self) -> None:
        self.version = 0
        self._weights = {role.value: torch.zeros(8) for role in Role}

    def load_adapters(self, pair: AdapterPair) -> None:
        raise NotImplementedError

    def load_reference(self, pair: AdapterPair) -> None:
        """There is none."""

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        """There is no critic."""

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        self.version += 1
        for place, role in enumerate(Role):
            for episode in episodes:
                self._weights[role.value].mul_(0.5).add_(episode.number + place + 1)
        return Update({}, [[TurnAdvantages(1.0, 2.0, None)] * len(e.turns) for e in episodes])

    def skip_update(self) -> None:
        self.version += 1

    def save_adapter(self, role: Role, folder: Path) -> None:
        with written_beside(folder) as unfinished:
            (unfinished / CONFIG_FILE).write_text(json.dumps({"r": 8, "version": self.version}))
            save_file({"weights": self._weights[role.value]}, unfinished / WEIGHTS_FILE)

    def save_checkpoint(self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str]) -> None:
        state = CheckpointState(self.version, 0, tuple(consumed), _MADE_FOR, dict(adapters))
        write_checkpoint(Checkpoint(state, self._weights, {"step": torch.tensor([self.version])}), folder)

    def load_checkpoint(self, folder: Path) -> None:
        checkpoint = read_checkpoint(folder, _MADE_FOR)
        self.version = checkpoint.state.version
        self._weights = {name: tensor.clone() for name, tensor in checkpoint.parameters.items()}


class Shelf:
    """Takes what is published, as the servers would: only whole adapters."""

    def __init__(self, on_publish: Callable[[], None] = lambda: None) -> None:
        self._on_publish = on_publish

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        self._on_publish()
        assert (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()

    async def sleep(self) -> None:
        """Nobody shares a GPU."""

    async def lost(self) -> HiperError:
        return await asyncio.Future()


def learn(
    root: Path,
    make_trainer: Callable[[], Trainer],
    episode: Callable[[int], pb.Episode],
    on_publish: Callable[[], None] = lambda: None,
) -> str:
    """The whole run in this folder, or the rest of it; empty, or why it failed."""
    folder = RunFolder(root)
    lock = hold_as_learner(folder, 0.0)
    store = EpisodeStore(folder.episodes, "run")
    run = TrainingRun.of(
        folder, SCHEDULE, store, make_trainer, lambda progress: None, Shelf(on_publish), VOCABULARY
    )

    async def work() -> None:
        training = asyncio.create_task(run.loop.run())
        while not training.done() and not isinstance(outcome := run.admission.lease("run"), Finished):
            if isinstance(outcome, Lease):
                hashes = folder.pair(outcome.version).hashes()
                await run.admission.submit(stamped(episode(outcome.number), outcome, hashes))
            await asyncio.sleep(0)
        await training

    try:
        asyncio.run(work())
    finally:
        store.close()
        lock.release()
    return "" if run.status.now.phase is Phase.FINISHED else run.status.now.message
