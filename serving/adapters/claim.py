"""Which run decides what a model server serves: at most one at a time, for as long as it renews its claim."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import ClaimedError, InvalidInputError


@dataclass(frozen=True)
class Claim:
    """A run's claim as it is told to others."""

    run_id: str
    holder: str
    """Process that claims for the run."""
    age: float
    """Seconds since the claim was made or renewed."""
    left: float
    """Seconds until it lapses unless it is renewed."""

    def __str__(self) -> str:
        return (
            f"run {self.run_id} ({self.holder}) has claimed this server: renewed {self.age:.0f} s ago, "
            f"it lapses in {self.left:.0f} s"
        )


@dataclass(frozen=True)
class _Held:
    run_id: str
    holder: str
    renewed: float
    expires: float


class ClaimHolder:
    """The claim of one server. Called from one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds and never goes back."""
        self._clock = clock
        self._held: _Held | None = None

    @property
    def current(self) -> Claim | None:
        """The claim now; None if there is none, or it has lapsed."""
        held, now = self._held, self._clock()
        if held is None or held.expires <= now:
            return None
        return Claim(held.run_id, held.holder, now - held.renewed, held.expires - now)

    def claim(self, run_id: str, holder: str, seconds: float) -> None:
        """Makes or renews a run's claim, or gives it up with 0 seconds.

        Raises:
            InvalidInputError: no run id, or not a number of seconds.
            ClaimedError: another run has claimed the server.
        """
        if not run_id:
            raise InvalidInputError("run_id: must not be empty")
        if not math.isfinite(seconds) or seconds < 0:
            raise InvalidInputError(f"seconds: {seconds} is not a finite number of at least 0")
        self.check(run_id)
        now = self._clock()
        self._held = _Held(run_id, holder, now, now + seconds) if seconds else None

    def check(self, run_id: str) -> None:
        """Whether this run (empty: no run) may change what is served.

        Raises:
            ClaimedError: another run has claimed the server; names it, and when it renewed its claim.
        """
        claim = self.current
        if claim is not None and claim.run_id != run_id:
            raise ClaimedError(str(claim))

    def end(self) -> None:
        """The claim ends, whoever's it is."""
        self._held = None
