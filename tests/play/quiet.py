"""A display that keeps what it is told."""

from typing import Self

from trajectory.episode import Episode
from trajectory.learner_status import LearnerStatus


class Quiet:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.episodes: list[int] = []
        self.phases: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.said.append(text)

    def learner(self, status: LearnerStatus) -> None:
        self.phases.append(status.phase.value)

    def episode(self, episode: Episode) -> None:
        self.episodes.append(episode.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
