"""The membership as the learner's tasks share it: with the clock, and a bell that rings when it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from learner.pool.bell import Bell
from learner.pool.membership import Membership
from trajectory.pool import MemberState

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""Time between two looks at the clock, for what changes only because time passes."""
_NOT_WELL = (MemberState.SUSPECT, MemberState.GONE, MemberState.RETIRED)


class SharedMembership:
    """A membership, its clock and its bell. Used in one event loop."""

    def __init__(self, members: Membership, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, and never goes back."""
        self.members, self.bell = members, Bell()
        self._clock, self._looked = clock, clock()
        self._revision = members.revision

    def now(self) -> float:
        """The time, after a look at how long this process was held up: nobody could be heard then."""
        now = self._clock()
        if (late := now - self._looked - 2 * TICK_SECONDS) > 0:
            self.members.excuse(late, now)
        self._looked = now
        return now

    @contextmanager
    def change(self) -> Iterator[float]:
        """The time, for a change that is made in the block; the bell rings at its end if there was one."""
        try:
            yield self.now()
        finally:
            if self.members.revision != self._revision:
                self._revision = self.members.revision
                self._log_states()
                self.bell.ring()

    def _log_states(self) -> None:
        for member in self.members.take_changed(self._looked):
            log.log(
                logging.WARNING if member.state in _NOT_WELL else logging.INFO,
                "the %s at %s is %s%s",
                member.replica.role.value,
                member.replica.address,
                member.state.value,
                f": {member.reason}" if member.reason else "",
            )
