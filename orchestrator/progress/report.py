"""Passes events on to the tally, then to the display."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import HiperError
from orchestrator.progress.display import Display
from orchestrator.progress.tally import Tally
from trajectory.episode import Episode, Turn
from trajectory.learner_status import LearnerStatus


@dataclass(frozen=True)
class Report:
    """The receiver of all events of a run.

    The tally comes first, because the display shows its sums.
    """

    tally: Tally
    display: Display

    def episode_began(self) -> None:
        self.tally.episode_began()

    def episode_left(self) -> None:
        self.tally.episode_left()

    def turn(self, turn: Turn) -> None:
        self.tally.turn(turn)

    def episode(self, episode: Episode) -> None:
        self.tally.episode(episode)
        self.display.episode(episode)

    def set_aside(self, reason: str) -> None:
        self.display.note(f"set aside: {reason}")

    def learner(self, status: LearnerStatus) -> None:
        self.tally.learner(status)
        self.display.learner(status)

    def say(self, text: str) -> None:
        self.display.say(text)

    def note(self, text: str) -> None:
        self.display.note(text)

    def stopping(self) -> None:
        """Shows that the run ends after the current update."""
        self.tally.stopping = True
        self.say("stopping after the update in flight")

    def not_stopping_yet(self, error: HiperError) -> None:
        """Shows that the learner could not be asked to stop, until `stop_confirmed`."""
        self.tally.stop_unconfirmed = True
        self.say(f"the learner has not confirmed that it stops, and is asked again: {error}")

    def stop_confirmed(self) -> None:
        """Notes that the learner has been asked to stop."""
        self.tally.stop_unconfirmed = False
