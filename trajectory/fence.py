"""The oldest adapter that may answer a call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trajectory.episode import Generation


@dataclass(frozen=True)
class Fence:
    """The least (epoch, version) of a run's adapters that may answer.

    Whoever asks for an answer sets it, so that a server that was restarted, cut off or pushed to by somebody
    else cannot answer with an adapter that the learner would refuse.
    """

    run_id: str
    epoch: int
    """Number of times that the run's learner was started again."""
    version: int

    def admits(self, run_id: str, epoch: int, version: int) -> bool:
        """Whether this adapter may answer. Adapters of a run are ordered by epoch, then by version."""
        return run_id == self.run_id and (epoch, version) >= (self.epoch, self.version)

    def raised(self, generation: Generation) -> Fence:
        """The fence after this answer: an episode is never answered by an older adapter than before."""
        answered = (generation.adapter_epoch, generation.adapter_version)
        epoch, version = max(answered, (self.epoch, self.version))
        return replace(self, epoch=epoch, version=version)

    def __str__(self) -> str:
        return f"version {self.version} of run {self.run_id}, epoch {self.epoch}"
