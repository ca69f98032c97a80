"""The folder of a run: made once, held by one process at a time, and continued only by the same run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from configuration.files import read_toml, to_toml
from configuration.keys import keys
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.files import replace_file
from core.paths import user_path
from core.role import Role
from serving.adapters.pair import AdapterPair

_SERVER_KEYS = (
    "address",
    "listen",
    "metrics_port",
    "drain_seconds",
    "gpus",
    "tls.certificate",
    "tls.key",
    "tls.authority",
)
_MODEL_KEYS = ("threads", "max_batch", "max_queue", "keep_versions")
_LEARNER_KEYS = (
    "updates",
    "lease_seconds",
    "threads",
    "pack_tokens",
    "ranks",
    "zero_stage",
    "optimizer",
    "keep_checkpoints",
)

MAY_CHANGE: frozenset[str] = frozenset(
    [f"{section}.{key}" for section in ("planner", "executor", "learner") for key in _SERVER_KEYS]
    + [f"{section}.{key}" for section in ("planner", "executor") for key in _MODEL_KEYS]
    + ["run.dir", "run.resume", "run.tensorboard", "run.wandb"]
    + [f"orchestrator.{key}" for key in ("concurrency", "call_seconds", "attempts", "start_seconds")]
    + [f"learner.{key}" for key in _LEARNER_KEYS]
    + ["ppo.learning_rate", "ppo.planner_learning_rate", "critic.learning_rate"]
)
"""Keys that may differ when a run is continued: where and how fast, not what. More updates make it longer;
a run that diverged may go on in smaller steps, one that hardly moves in larger ones."""


@dataclass(frozen=True)
class RunFolder:
    """Paths inside the folder of a run; the names of its files and folders stand here and nowhere else."""

    root: Path

    @property
    def configuration(self) -> Path:
        """TOML file of the configuration as used."""
        return self.root / "configuration.toml"

    @property
    def episodes(self) -> Path:
        """SQLite file, made by the learner when it starts: from then on there is something to lose."""
        return self.root / "episodes.sqlite"

    @property
    def metrics(self) -> Path:
        """JSON lines, one for each update."""
        return self.root / "metrics.jsonl"

    @property
    def ends(self) -> Path:
        """JSON lines, one for each process of the learner that ended by itself: its last version, and the
        times since that version's line of the metrics."""
        return self.root / "ends.jsonl"

    @property
    def adapters(self) -> Path:
        """Folder of all adapters, by role and version."""
        return self.root / "adapters"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, by version."""
        return self.root / "checkpoints"

    @property
    def evaluations(self) -> Path:
        """Folder of the evaluations of this run's adapters."""
        return self.root / "evaluation"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files, where the configuration asks for them."""
        return self.root / "tensorboard"

    @property
    def report(self) -> Path:
        """HTML file."""
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """File that the process which plays here holds."""
        return self.root / "lock"

    @property
    def logs(self) -> Path:
        """Folder of the servers' logs."""
        return self.root / "logs"

    @property
    def services(self) -> Path:
        """Folder of the servers' ready files."""
        return self.root / "services"

    @property
    def before_the_first_episode(self) -> frozenset[Path]:
        """All that is here when a run is prepared, but its learner has never started."""
        return frozenset({self.configuration, self.lock, self.logs, self.services})

    @property
    def has_run(self) -> bool:
        """Whether a run with adapters is here."""
        return self.configuration.is_file() and self.adapters.is_dir()

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def ready_file(self, service: str) -> Path:
        return self.services / service

    def adapter(self, role: Role, version: int) -> Path:
        """PEFT folder of one adapter."""
        return self.adapters / role.value / str(version)

    def pair(self, version: int) -> AdapterPair:
        """PEFT folders of both adapters of this version."""
        return AdapterPair(self.adapter(Role.PLANNER, version), self.adapter(Role.EXECUTOR, version))

    def checkpoint(self, version: int) -> Path:
        return self.checkpoints / str(version)

    def checkpoint_versions(self) -> list[int]:
        """Versions of the checkpoints that are there, whole or not, newest first."""
        return sorted(_versions_in(self.checkpoints), reverse=True)

    def adapter_versions(self) -> list[int]:
        """Versions that both roles have an adapter of, oldest first."""
        return sorted(set.intersection(*(_versions_in(self.adapters / role.value) for role in Role)))


def _versions_in(folder: Path) -> set[int]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return {int(name) for name in names if name.isdecimal()}


def choose(configuration: Configuration, now: Callable[[], datetime] = datetime.now) -> Path:
    """The folder that the configuration names, else one under runs/ that does not exist yet."""
    if configuration.run.dir is not None:
        return user_path(configuration.run.dir)
    stem = now().strftime("%Y%m%d-%H%M%S")
    names = (f"{stem}-{number}" for number in range(1_000_000))
    return next(path for name in names if not (path := user_path("runs") / name).exists())


def names_file(argv: Sequence[str]) -> bool:
    """Whether a command line brings a configuration of its own, so that no saved one counts."""
    return any(word == "--config" or word.startswith("--config=") for word in argv)


def saved_tree(root: Path) -> dict[str, Any]:
    """The configuration of the run in this folder, as nested tables.

    Raises:
        ConfigurationError: there is no run.
    """
    folder = RunFolder(root)
    if not folder.configuration.exists():
        raise ConfigurationError(
            f"there is no run in {root} to resume; without --resume one is started there"
        )
    return read_toml(folder.configuration)


def check(root: Path, configuration: Configuration) -> None:
    """Whether this run may be played in this folder; changes nothing.

    Raises:
        ConfigurationError: it may not; the message says what would be accepted.
    """
    if configuration.run.resume:
        _check_same_run(root, configuration)
    elif RunFolder(root).episodes.exists():
        raise ConfigurationError(
            f"there is a run in {root} already: --run-dir {root} --resume continues it, "
            "another --run-dir starts a new one"
        )
    elif root.is_dir() and set(root.iterdir()) - RunFolder(root).before_the_first_episode:
        raise ConfigurationError(
            f"{root} holds something that is no run; --run-dir takes a new or empty folder"
        )
    elif root.exists() and not root.is_dir():
        raise ConfigurationError(f"{root} is no folder; --run-dir takes a new or empty one")


def _check_same_run(root: Path, configuration: Configuration) -> None:
    if configuration.run.dir is None:
        raise ConfigurationError("--resume needs --run-dir, the folder of the run to continue")
    saved = Configuration.model_validate(saved_tree(root))
    differences = [
        f"{key.name} was {value_of(saved, key.name)!r}, not {value_of(configuration, key.name)!r}"
        for key in keys(Configuration)
        if key.name not in MAY_CHANGE and value_of(saved, key.name) != value_of(configuration, key.name)
    ]
    if differences:
        raise ConfigurationError(
            f"the run in {root} cannot go on with another configuration: {'; '.join(differences)}. "
            "Leave these options out, or start a new run with another --run-dir"
        )


def value_of(configuration: Configuration, name: str) -> Any:
    """The value of a dotted key."""
    value: Any = configuration
    for part in name.split("."):
        value = getattr(value, part)
    return value


class HeldFolder:
    """A run folder that is ours until `release` or until this process ends."""

    def __init__(self, folder: RunFolder, lock: IO[str]) -> None:
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        self._lock.close()


def hold(root: Path, configuration: Configuration) -> HeldFolder:
    """Makes the folder or takes it up again, and writes the configuration into it.

    Raises:
        ConfigurationError: the run may not be played here, or another process plays in it.
    """
    check(root, configuration)
    return hold_unchecked(root, configuration)


def hold_unchecked(root: Path, configuration: Configuration) -> HeldFolder:
    """As `hold`, for a folder that holds no run, such as that of evaluations.

    Raises:
        ConfigurationError: another process uses it.
    """
    folder = RunFolder(root)
    for part in (folder.logs, folder.services):
        part.mkdir(parents=True, exist_ok=True)
    lock = _locked(folder.lock)
    replace_file(folder.configuration, to_toml(configuration))
    return HeldFolder(folder, lock)


def _locked(path: Path) -> IO[str]:
    lock = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ConfigurationError(
            f"process {holder} plays in {path.parent} now; wait for its end or take another folder"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
