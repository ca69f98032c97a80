"""Which adapters a person means: of a run, of two PEFT folders, or none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ConfigurationError
from core.paths import user_path
from core.role import Role
from run_folder.files import RunFiles
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, adapter_hash

BASE, WARM_START = "base", "warm-start"
"""Names that stand for no adapter, and for what a run begins with."""


@dataclass(frozen=True)
class AdapterPair:
    """An adapter for each role, or the base model alone."""

    label: str
    """Short, for file names: `v3`, `base`, `warm-start`, `adapters`."""
    version: int = -1
    """In its run; 0 for adapters of no run, -1 for the base model."""
    folders: Mapping[Role, Path] = field(default_factory=dict)
    """PEFT folders; empty for the base model."""

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each folder's configuration and weights, by role."""
        return {role.value: _sha256(folder) for role, folder in self.folders.items()}


def run_of(checkpoint: str, folder: Path) -> Path | None:
    """The run that a `--checkpoint` belongs to; None if it belongs to none."""
    if checkpoint in (BASE, WARM_START):
        return None
    for root in (folder, folder.parent.parent):
        if (root / "configuration.toml").is_file() and (root / "adapters").is_dir():
            return root
    return None


def named(checkpoint: str, version: int | None) -> AdapterPair:
    """What `base` or a folder means; see `found`."""
    return AdapterPair(BASE) if checkpoint == BASE else found(user_path(checkpoint), version)


def found(folder: Path, version: int | None) -> AdapterPair:
    """The adapters that a folder means.

    Args:
        folder: Of a run, of one of its checkpoints, or with the PEFT folders `planner` and `executor`.
        version: Of a run's adapters; None takes the newest that both roles have.

    Raises:
        ConfigurationError: none there; names what was looked for.
    """
    pair = {role: folder / role.value for role in Role}
    if all((each / CONFIG_FILE).is_file() for each in pair.values()):
        return checked(AdapterPair("adapters", 0, pair))
    root = run_of("", folder)
    if root is None:
        raise ConfigurationError(
            f"no adapters at {folder}: looked for a run (configuration.toml and adapters/), for a checkpoint "
            f"of one (checkpoints/3), and for planner/{CONFIG_FILE} beside executor/{CONFIG_FILE}"
        )
    wanted = _version_of(folder) if root != folder else version
    return of_run(RunFiles(root), wanted)


def of_run(files: RunFiles, version: int | None) -> AdapterPair:
    """A version of a run's adapters, the newest for None. `ConfigurationError` names those there are."""
    versions = files.adapter_versions()
    if not versions:
        raise ConfigurationError(
            f"the run in {files.root} has no adapters yet: looked for {files.adapter(Role.PLANNER, 0)} and "
            f"the executor's beside it"
        )
    if version is not None and version not in versions:
        raise ConfigurationError(
            f"the run in {files.root} has no adapters of version {version}; there are "
            f"{', '.join(map(str, versions))}"
        )
    chosen = versions[-1] if version is None else version
    return checked(AdapterPair(f"v{chosen}", chosen, {role: files.adapter(role, chosen) for role in Role}))


def checked(pair: AdapterPair) -> AdapterPair:
    """The pair, if its files are there. `ConfigurationError` names the one that is not."""
    for role, folder in pair.folders.items():
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise ConfigurationError(f"no adapter for the {role.value}: there is no {folder / name}")
    return pair


def base_of(folder: Path) -> str | None:
    """Fingerprint of the base model that an adapter was made on, where the folder says."""
    origin = folder / "hiper.json"
    if not origin.is_file():
        return None
    try:
        return str(json.loads(origin.read_text(encoding="utf-8"))["base_fingerprint"])
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{origin} cannot be read: {error}") from error


def _version_of(folder: Path) -> int:
    if not folder.name.isdecimal():
        raise ConfigurationError(f"{folder} is no checkpoint: its name is no version")
    return int(folder.name)


def _sha256(folder: Path) -> str:
    return adapter_hash((folder / CONFIG_FILE).read_bytes(), folder / WEIGHTS_FILE).hex()
