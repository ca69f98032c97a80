"""Opens a new or resumed run in its folder, which only one process at a time may play in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from configuration import command
from configuration.command import CommandLine
from configuration.keys import keys, value_of
from configuration.run import PoolSettings, RunSettings
from configuration.syntax import FlagsT
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.files import unfinished_name
from core.paths import user_path
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.lock import Lock
from run_folder.metrics import MetricsFile

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
    "tls.insecure",
)
_MODEL_KEYS = (
    "replicas",
    "advertise",
    "threads",
    "max_batch",
    "kept_share",
    "max_queue",
    "stuck_seconds",
    "keep_versions",
    "max_pushes",
    "push_idle_seconds",
    "sleep_while_updating",
    "cuda_graphs",
)
_VLLM_OPTIONS = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "gpu_memory_utilization",
    "enforce_eager",
    "max_num_batched_tokens",
    "cpu_offload_gb",
    "disable_log_stats",
)
_LEARNER_KEYS = (
    "updates",
    "lease_seconds",
    "threads",
    "pack_tokens",
    "gradient_checkpointing",
    "ranks",
    "shard_base",
    "zero_stage",
    "optimizer",
    "keep_checkpoints",
)

MAY_CHANGE: frozenset[str] = frozenset(
    [f"{section}.{key}" for section in ("planner", "executor", "learner") for key in _SERVER_KEYS]
    + [f"{section}.{key}" for section in ("planner", "executor") for key in _MODEL_KEYS]
    + [f"{section}.vllm.{key}" for section in ("planner", "executor") for key in _VLLM_OPTIONS]
    + [f"pool.{key}" for key in PoolSettings.model_fields]
    + ["run.dir", "run.resume", "run.tensorboard", "run.wandb", "run.trackio", "run.trace"]
    + [f"orchestrator.{key}" for key in ("concurrency", "call_seconds", "patience_seconds", "start_seconds")]
    + [f"pool.{key}" for key in PoolSettings.model_fields]
    + [f"learner.{key}" for key in _LEARNER_KEYS]
    + ["ppo.learning_rate", "ppo.planner_learning_rate"]
)
"""Keys that may be changed when a run is resumed: they say where and how fast it runs, not what it computes.

There are two exceptions: more updates make the run longer, and other learning rates may rescue a run that
diverges or hardly learns.
"""


def choose(run: RunSettings, now: Callable[[], datetime] = datetime.now) -> Path:
    """The folder that the configuration names; otherwise a new one in runs/."""
    if run.dir is not None:
        return user_path(run.dir)
    stem = now().strftime("%Y%m%d-%H%M%S")
    names = (f"{stem}-{number}" for number in range(1_000_000))
    return next(path for name in names if not (path := user_path("runs") / name).exists())


def open_run(
    argv: Sequence[str], program: str, flags: type[FlagsT], defaults: Mapping[str, Any], *, resumes: bool
) -> CommandLine[Configuration, FlagsT]:
    """Parses the command line of a run, chooses its folder, and decides whether to resume; writes nothing.

    A resumed run has the configuration saved in its folder; the file of `--config` and the other options
    override it.

    Args:
        argv: Arguments of the command.
        program: Name of the command, for `--help`.
        flags: Options of the command itself.
        defaults: The command's own defaults, for a new run without `--config`.
        resumes: Whether a folder with a run is always resumed; otherwise only with `--resume`, and refused
            without it.

    Returns:
        The command line, whose `run.dir` and `run.resume` are now set.

    Raises:
        ConfigurationError: the run cannot be played in this folder; the message says what is accepted.
        CorruptDataError: the run cannot be resumed, because a file is damaged; the message names it.
    """
    base = None if names_file(argv) else defaults
    run = command.read_run(argv, program, flags, base)
    root = choose(run)
    resume = RunFolder(root).episodes.exists() if resumes else run.resume
    if resume and run.dir is None:
        raise ConfigurationError("--resume needs --run-dir, the folder of the run to continue")
    line = command.read(argv, program, flags, saved_configuration.read(root) if resume else base)
    placed = line.configuration.run.model_copy(update={"dir": root, "resume": resume})
    configuration = line.configuration.model_copy(update={"run": placed})
    check(root, configuration)
    return replace(line, configuration=configuration)


def names_file(argv: Sequence[str]) -> bool:
    """Whether a command line names a configuration file."""
    return any(word == "--config" or word.startswith("--config=") for word in argv)


def check(root: Path, configuration: Configuration) -> None:
    """Checks that this run may be played in this folder; changes nothing.

    Raises:
        ConfigurationError: it may not; the message says what would be accepted.
        CorruptDataError: the run to resume has damaged configuration or metrics; the message names the file.
    """
    if configuration.run.resume:
        _check_same_run(root, configuration)
    elif RunFolder(root).episodes.exists():
        raise ConfigurationError(
            f"there is a run in {root} already: --run-dir {root} --resume continues it, "
            "another --run-dir starts a new one"
        )
    elif root.is_dir() and any(_is_foreign(RunFolder(root), path) for path in root.iterdir()):
        raise ConfigurationError(
            f"{root} holds something that is not a run; --run-dir takes a new or empty folder"
        )
    elif root.exists() and not root.is_dir():
        raise ConfigurationError(f"{root} is not a folder; --run-dir takes a new or empty one")


def _is_foreign(folder: RunFolder, path: Path) -> bool:
    """Whether `path` is something else than the files of a run whose learner never started."""
    return path not in folder.before_the_first_episode and unfinished_name(path) not in (
        folder.configuration.name,
        folder.episodes.name,
        folder.report.name,
    )


def _check_same_run(root: Path, configuration: Configuration) -> None:
    before = _values(Configuration.model_validate(saved_configuration.read(root)))
    now = _values(configuration)
    differences = [
        f"{name} was {before.get(name)!r}, not {now.get(name)!r}"
        for name in dict.fromkeys((*before, *now))
        if name not in MAY_CHANGE and before.get(name) != now.get(name)
    ]
    if differences:
        raise ConfigurationError(
            f"the run in {root} cannot be resumed with another configuration: {'; '.join(differences)}. "
            "Leave these options out, or start a new run with another --run-dir"
        )
    # The learner would say so too, but only after loading its model.
    MetricsFile(RunFolder(root).metrics).lines()


def _values(configuration: Configuration) -> dict[str, Any]:
    """Values by key; those of a table by the key of each entry."""
    values: dict[str, Any] = {}
    for key in keys(Configuration):
        value = value_of(configuration, key.name)
        if key.is_table:
            values |= {f"{key.name}.{name}": item for name, item in value.items()}
        else:
            values[key.name] = value
    return values


class HeldFolder:
    """A run folder that is locked for this process until `release`, or until the process ends."""

    def __init__(self, folder: RunFolder, lock: Lock) -> None:
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        self._lock.release()


def hold(root: Path, configuration: Configuration) -> HeldFolder:
    """Creates the folder if necessary, locks it, and writes the configuration into it.

    Raises:
        ConfigurationError: the run may not be played here, or another process plays here.
    """
    check(root, configuration)
    return hold_unchecked(root, configuration)


def hold_unchecked(root: Path, configuration: Configuration) -> HeldFolder:
    """Like `hold`, for a folder without a run, such as that of evaluations.

    Raises:
        ConfigurationError: another process uses it.
    """
    folder = RunFolder(root)
    for part in (folder.logs, folder.services):
        part.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder.lock, "plays")
    saved_configuration.write(folder, configuration)
    return HeldFolder(folder, lock)
