"""The layout of a run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.role import Role
from serving.adapters.pair import AdapterPair


@dataclass(frozen=True)
class RunFolder:
    """Paths inside the folder of a run; no other file of the source spells these names."""

    root: Path

    @property
    def configuration(self) -> Path:
        """TOML file with every key of the configuration, as the run uses it."""
        return self.root / "configuration.toml"

    @property
    def episodes(self) -> Path:
        """SQLite file of the episodes, created by the learner. If it exists, the folder holds a run."""
        return self.root / "episodes.sqlite"

    @property
    def metrics(self) -> Path:
        """File of metrics: a line of JSON per update."""
        return self.root / "metrics.jsonl"

    @property
    def ends(self) -> Path:
        """File of ends: a line of JSON for each process of the learner that ended without being killed.

        The line has the last version, and the times since that version's line of metrics.
        """
        return self.root / "ends.jsonl"

    @property
    def epoch(self) -> Path:
        """Text file with the number of times that the run's learner was started again."""
        return self.root / "epoch"

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
    def exports(self) -> Path:
        """Folder of what was exported for use elsewhere, by format."""
        return self.root / "export"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files, if the configuration asks for them."""
        return self.root / "tensorboard"

    @property
    def report(self) -> Path:
        """HTML file of the report."""
        return self.root / "report.html"

    @property
    def lock(self) -> Path:
        """File that is locked by the process that plays the run."""
        return self.root / "lock"

    @property
    def learner_lock(self) -> Path:
        """File that is locked by the learner that trains here, whoever started it."""
        return self.root / "learner.lock"

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
        """Everything that the folder has if the learner of its run has never started."""
        return frozenset({self.configuration, self.lock, self.learner_lock, self.logs, self.services})

    @property
    def has_run(self) -> bool:
        """Whether the folder holds a run with adapters."""
        return self.configuration.is_file() and self.adapters.is_dir()

    def log(self, service: str) -> Path:
        """Log file of a server."""
        return self.logs / f"{service}.log"

    def ready_file(self, service: str) -> Path:
        """File that a server writes when it is ready."""
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
        """Versions of all checkpoints, complete or not, newest first."""
        return sorted(_versions_in(self.checkpoints), reverse=True)

    def adapter_versions(self) -> list[int]:
        """Versions of which both roles have an adapter, oldest first."""
        return sorted(set.intersection(*(_versions_in(self.adapters / role.value) for role in Role)))


def _versions_in(folder: Path) -> set[int]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return {int(name) for name in names if name.isdecimal()}
