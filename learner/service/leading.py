"""Makes several ranks act as one trainer: calls to rank 0's trainer are repeated by the other ranks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import HiperError
from core.progress import Progress
from core.role import Role
from learner.service.run_parts import Update
from learner.update.ranks import CommandChannel
from learner.update.trainer import Trainer
from run_folder.store import EpisodeStore
from serving.adapters.pair import AdapterPair
from trajectory.episode import Episode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """A call of a trainer's method, with arguments as JSON can hold them."""

    method: str
    paths: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    """Numbers of episodes, which every rank reads from the run's store."""
    version: int = 0
    """Version of the adapters, where the method takes one."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Command:
        content = json.loads(text)
        return cls(content["method"], tuple(content["paths"]), tuple(content["numbers"]), content["version"])


class LeadingTrainer:
    """The trainer of rank 0; sends each call to the other ranks before it makes the call itself.

    `save_adapter` is not sent: every rank has the whole adapters, so rank 0 alone can write them.
    """

    def __init__(self, trainer: Trainer, channel: CommandChannel) -> None:
        self._trainer = trainer
        self._channel = channel

    @property
    def version(self) -> int:
        return self._trainer.version

    @property
    def memory(self) -> int:
        return self._trainer.memory

    def load_adapters(self, pair: AdapterPair) -> None:
        self._tell("load_adapters", pair.planner, pair.executor)
        self._trainer.load_adapters(pair)

    def load_reference(self, pair: AdapterPair) -> None:
        self._tell("load_reference", pair.planner, pair.executor)
        self._trainer.load_reference(pair)

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        self._tell("remember", numbers=[episode.number for episode in episodes], version=version)
        self._trainer.remember(version, episodes)

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        self._tell("update", numbers=[episode.number for episode in episodes])
        return self._trainer.update(episodes, progress)

    def save_adapter(self, role: Role, folder: Path) -> None:
        self._trainer.save_adapter(role, folder)

    def skip_update(self) -> None:
        self._tell("skip_update")
        self._trainer.skip_update()

    def save_checkpoint(
        self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str] | None = None
    ) -> None:
        self._tell("save_checkpoint", folder)
        self._trainer.save_checkpoint(folder, consumed, adapters)

    def load_checkpoint(self, folder: Path) -> None:
        self._tell("load_checkpoint", folder)
        self._trainer.load_checkpoint(folder)

    def _tell(self, method: str, *paths: Path, numbers: Sequence[int] = (), version: int = 0) -> None:
        self._channel.send(Command(method, tuple(map(str, paths)), tuple(numbers), version).to_json())


def follow(trainer: Trainer, channel: CommandChannel, open_store: Callable[[], EpisodeStore]) -> None:
    """Repeats the calls of rank 0 until rank 0 has ended.

    An error that occurs here also occurs on rank 0, and is reported there.

    Args:
        trainer: Trainer of this rank.
        channel: Channel from rank 0.
        open_store: Opens the run's episode store; called at the first batch, when the store exists.
    """
    store: EpisodeStore | None = None
    while (text := channel.receive()) is not None:
        command = Command.from_json(text)
        paths = [Path(path) for path in command.paths]
        try:
            match command.method:
                case "load_adapters":
                    trainer.load_adapters(AdapterPair(*paths))
                case "load_reference":
                    trainer.load_reference(AdapterPair(*paths))
                case "remember":
                    store = store or open_store()
                    trainer.remember(command.version, store.load(command.numbers))
                case "update":
                    store = store or open_store()
                    trainer.update(store.load(command.numbers), lambda share, message: None)
                case "skip_update":
                    trainer.skip_update()
                case "save_checkpoint":
                    trainer.save_checkpoint(paths[0], consumed=())
                case "load_checkpoint":
                    trainer.load_checkpoint(*paths)
        except HiperError as error:
            log.warning("%s: %s", command.method, error)
