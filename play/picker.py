"""Chooses, for each episode, the server of a role that answers in it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from core.role import Role
from trajectory.pool import MemberState, PoolTable

MOST_ABOVE = 2
"""Number of calls by which a server may be busier than the least busy one before its episodes leave it."""
REST_SECONDS = 6.0
"""Time for which a server that has failed is passed over. By then its pool knows what has become of it."""


class Picker:
    """Binds episodes to the ready servers of a role. Called from one event loop.

    An episode stays with its server, which keeps the episode's prompts in its cache, as long as the server is
    ready, does not fail, and is not much busier than others.
    """

    def __init__(self, role: Role, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self.role = role
        self._clock = clock
        self._ready: dict[str, tuple[str, int, int]] = {}
        self._bound: dict[str, str] = {}
        self._calls: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    @property
    def ready(self) -> frozenset[str]:
        """Addresses of the servers that may be chosen."""
        return frozenset(self._ready)

    @property
    def loads(self) -> Counter[str]:
        """Number of bound episodes by address."""
        return Counter(self._bound.values())

    def update(self, table: PoolTable) -> None:
        """Takes over a new table. A server that it shows changed does not rest any longer."""
        before, self._ready = self._ready, {}
        for member in table.members:
            replica = member.replica
            if replica.role is self.role and member.state is MemberState.READY:
                self._ready[replica.address] = (replica.incarnation, replica.epoch, replica.version)
        for address, served in self._ready.items():
            if before.get(address) != served:
                self._rests_until.pop(address, None)

    def pick(self, episode: str, but: Collection[str] = ()) -> str | None:
        """Address of the server for the episode's next call; binds the episode to it.

        Args:
            episode: Id of the episode.
            but: Addresses not to choose.

        Returns:
            The address; None if no other server is ready.
        """
        others = self._ready.keys() - set(but)
        # One that has failed is better than none.
        awake = {address for address in others if not self._rests(address)} or others
        if not awake:
            return None
        most = min(self._calls[address] for address in awake) + MOST_ABOVE
        free = {address for address in awake if self._calls[address] <= most}
        if (bound := self._bound.get(episode)) in free:
            return bound
        self._bound.pop(episode, None)
        loads = self.loads
        chosen = min(free, key=lambda address: (loads[address], _draw(episode, address)))
        self._bound[episode] = chosen
        return chosen

    @contextmanager
    def calling(self, address: str) -> Iterator[None]:
        """Counts a call to this server for the duration of the block."""
        self._calls[address] += 1
        try:
            yield
            self._rests_until.pop(address, None)
        finally:
            self._calls[address] -= 1

    def calls(self, address: str) -> int:
        """Number of calls that the server has not answered yet."""
        return self._calls[address]

    def failed(self, address: str) -> None:
        """The server has not answered: others are preferred to it for some seconds."""
        self._rests_until[address] = self._clock() + REST_SECONDS

    def release(self, episode: str) -> None:
        """The episode has ended."""
        self._bound.pop(episode, None)

    def _rests(self, address: str) -> bool:
        return self._rests_until.get(address, float("-inf")) > self._clock()


def _draw(episode: str, address: str) -> bytes:
    """The episode's draw for this server (rendezvous hashing): other servers do not change it."""
    return hashlib.sha256(f"{episode}\n{address}".encode()).digest()
