"""The interfaces that a run of the learner needs from others: a trainer, and a publisher of adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.errors import HiperError
from core.progress import Progress
from core.role import Role
from run_folder.turn_advantages import TurnAdvantages
from serving.adapters.pair import AdapterPair
from trajectory.episode import Episode


@dataclass(frozen=True)
class Update:
    """The result of an update."""

    metrics: dict[str, float]
    advantages: Sequence[Sequence[TurnAdvantages]]
    """Advantages of each turn, by episode."""


class Trainer(Protocol):
    """The policies, the critic and their optimizers.

    Its methods take long, so they are called from a thread of their own, one at a time.
    """

    @property
    def version(self) -> int:
        """Version of the adapters: 0 at first, one more after each update."""

    @property
    def memory(self) -> int:
        """Number of batches before the newest one that the critic also learns from."""

    def load_adapters(self, pair: AdapterPair) -> None:
        """Starts the policies from these adapters instead of new ones."""

    def load_reference(self, pair: AdapterPair) -> None:
        """Uses these adapters as the KL reference."""

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        """Gives the critic back an earlier batch, that of the update that followed `version`.

        A resumed run calls it for each of the last `memory` batches.
        """

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        """Makes the next version from a batch of episodes."""

    def save_adapter(self, role: Role, folder: Path) -> None:
        """Writes the adapter of a role as a PEFT folder."""

    def skip_update(self) -> None:
        """Makes the next version without training, from a batch of which no episode is left."""

    def save_checkpoint(self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str]) -> None:
        """Writes everything that the next update depends on.

        `consumed` are the episodes that were used, `adapters` the hashes of both adapters by role.
        """

    def load_checkpoint(self, folder: Path) -> None:
        """Continues from a checkpoint."""


class Publisher(Protocol):
    """Pushes adapters to the model servers."""

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        """Returns once enough servers of this role answer new calls with the adapter in `folder`."""

    async def sleep(self) -> None:
        """Has the servers that share the learner's GPU give up its memory, until the next `publish`."""

    async def lost(self) -> HiperError:
        """Waits until a role has had no server for too long; returns the reason."""
