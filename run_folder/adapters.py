"""Finds the adapters that a `--checkpoint` names: those of a run, two PEFT folders, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError
from core.paths import user_path
from run_folder.adapter_hashes import check_recorded
from run_folder.folder import RunFolder
from serving.adapters.folder import CONFIG_FILE
from serving.adapters.pair import AdapterPair

BASE, WARM_START = "base", "warm-start"
"""Names of the base model without adapters, and of the adapters that a new run would start from."""


@dataclass(frozen=True)
class AdapterChoice:
    """Adapters for model servers to answer with: a pair, or none (the base model alone)."""

    label: str
    """Short name for file names: `v3`, `base`, `warm-start`, `adapters`."""
    version: int = -1
    """Version in the pair's run; 0 for adapters without a run, -1 for the base model."""
    pair: AdapterPair | None = None
    """Folders of the adapters; None for the base model."""

    @property
    def folders(self) -> dict[str, Path]:
        """PEFT folders by role; empty for the base model."""
        return {role.value: folder for role, folder in self.pair.items()} if self.pair else {}

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each folder's configuration and weights, by role; empty for the base model."""
        return {role.value: each for role, each in self.pair.hashes().items()} if self.pair else {}


def run_of(checkpoint: str, folder: Path) -> Path | None:
    """The folder of the run that a `--checkpoint` belongs to, or None.

    Args:
        checkpoint: Value of `--checkpoint`.
        folder: The same as a path: the run's folder itself, or one of its checkpoints.
    """
    if checkpoint in (BASE, WARM_START):
        return None
    roots = (folder, folder.parent.parent)
    return next((root for root in roots if RunFolder(root).has_run), None)


def named(checkpoint: str, version: int | None) -> AdapterChoice:
    """The adapters that `base` or a folder names; see `found`."""
    return AdapterChoice(BASE) if checkpoint == BASE else found(user_path(checkpoint), version)


def found(folder: Path, version: int | None) -> AdapterChoice:
    """The adapters that a folder names.

    Args:
        folder: Folder of a run, of one of its checkpoints, or with the PEFT folders `planner` and `executor`.
        version: Version of a run's adapters; None for the newest that both roles have.

    Raises:
        ConfigurationError: there are no adapters; the message says what was looked for.
    """
    pair = AdapterPair.within(folder)
    if all((each / CONFIG_FILE).is_file() for _, each in pair.items()):
        return of_no_run(pair)
    root = run_of("", folder)
    if root is None:
        run = RunFolder(folder)
        raise ConfigurationError(
            f"no adapters at {folder}: looked for a run ({run.configuration.name} and {run.adapters.name}/), "
            f"for a checkpoint of one ({run.checkpoints.name}/3), and for planner/{CONFIG_FILE} beside "
            f"executor/{CONFIG_FILE}"
        )
    wanted = _version_of(folder) if root != folder else version
    return of_run(RunFolder(root), wanted)


def of_no_run(pair: AdapterPair) -> AdapterChoice:
    """The choice of a pair without a run; raises `ConfigurationError` for a missing file."""
    return AdapterChoice("adapters", 0, checked(pair))


def of_run(folder: RunFolder, version: int | None) -> AdapterChoice:
    """The choice of a run's adapters; None is the newest version.

    Raises:
        ConfigurationError: the run does not have that version; the message lists those that it has.
        CorruptDataError: an adapter is not what the checkpoint of its version recorded.
    """
    versions = folder.adapter_versions()
    if not versions:
        raise ConfigurationError(
            f"the run in {folder.root} has no adapters yet: looked for {folder.pair(0).planner} and "
            f"the executor's beside it"
        )
    if version is not None and version not in versions:
        raise ConfigurationError(
            f"the run in {folder.root} has no adapters of version {version}; there are "
            f"{', '.join(map(str, versions))}"
        )
    chosen = versions[-1] if version is None else version
    pair = checked(folder.pair(chosen))
    check_recorded(folder, chosen)
    return AdapterChoice(f"v{chosen}", chosen, pair)


def checked(pair: AdapterPair) -> AdapterPair:
    """Returns the pair; raises `ConfigurationError` if one of its files is missing."""
    if missing := pair.missing():
        role, path = missing
        raise ConfigurationError(f"no adapter for the {role.value}: there is no {path}")
    return pair


def _version_of(folder: Path) -> int:
    if not folder.name.isdecimal():
        raise ConfigurationError(f"{folder} is not a checkpoint: its name is not a version")
    return int(folder.name)
