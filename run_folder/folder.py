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

_SERVER_KEYS = (
    "address",
    "listen",
    "metrics_port",
    "drain_seconds",
    "max_calls",
    "gpus",
    "tls.certificate",
    "tls.key",
    "tls.authority",
)
_MODEL_KEYS = ("threads", "max_batch", "max_queue", "keep_versions", "max_pushes", "push_idle_seconds")
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

_BEFORE_THE_FIRST_EPISODE = frozenset({"configuration.toml", "lock", "logs", "services"})


@dataclass(frozen=True)
class RunFolder:
    """Where things are."""

    root: Path

    @property
    def configuration(self) -> Path:
        return self.root / "configuration.toml"

    @property
    def episodes(self) -> Path:
        """Made by the learner when it starts: from then on there is something to lose."""
        return self.root / "episodes.sqlite"

    def log(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def ready_file(self, service: str) -> Path:
        return self.root / "services" / service


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
    elif root.is_dir() and {path.name for path in root.iterdir()} - _BEFORE_THE_FIRST_EPISODE:
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
    for part in (folder.log("any").parent, folder.ready_file("any").parent):
        part.mkdir(parents=True, exist_ok=True)
    lock = _locked(root / "lock")
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
