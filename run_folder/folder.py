"""The folder of a run: where things are in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
