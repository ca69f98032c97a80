"""What a run of the learner needs from elsewhere: a trainer, and a way to the servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.progress import Progress
from core.role import Role
from run_folder.store import TurnAdvantages
from serving.adapters.pair import AdapterPair
from trajectory.episode import Episode


@dataclass(frozen=True)
class Update:
    """The result of an update."""

    metrics: dict[str, float]
    advantages: Sequence[Sequence[TurnAdvantages]]
    """For each episode, for each turn."""


class Trainer(Protocol):
    """The model and its optimizers. Called from one thread at a time, never from the event loop's."""

    @property
    def version(self) -> int: ...

    def load_adapters(self, pair: AdapterPair) -> None: ...

    def load_reference(self, pair: AdapterPair) -> None: ...

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update: ...

    def save_adapter(self, role: Role, folder: Path) -> None: ...

    def skip_update(self) -> None: ...

    def save_checkpoint(self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str]) -> None: ...

    def load_checkpoint(self, folder: Path) -> None: ...


class Publisher(Protocol):
    """Brings adapters to the model servers."""

    async def publish(self, role: Role, version: int, folder: Path) -> None: ...
