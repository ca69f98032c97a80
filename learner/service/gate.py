"""The lease gate: which episode may be played now, so that none lags more updates behind than allowed.

Episode n belongs to batch n // episodes_per_update, and update v makes version v + 1 out of batch v. An
episode may be leased while its batch is at most `max_lag` updates ahead, so it is trained on by an update at
most `max_lag` versions after the one it was begun with, and every episode that was played is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.seeds import derive
from trajectory.lease import Finished, Lease, Wait

RETRY_SECONDS = 0.2
"""Pause that a caller is told to wait: much shorter than an episode, so that little time is lost."""


@dataclass(frozen=True)
class Schedule:
    """The size of a run, and how far its episodes may be ahead of its updates."""

    updates: int
    episodes_per_update: int
    group_size: int
    max_lag: int
    lease_seconds: float
    seed: int

    @property
    def episodes(self) -> int:
        return self.updates * self.episodes_per_update

    def batch(self, update: int) -> range:
        """Places of the episodes that this update trains on."""
        return range(update * self.episodes_per_update, (update + 1) * self.episodes_per_update)


@dataclass(frozen=True)
class _Open:
    lease: Lease
    expires: float


class LeaseGate:
    """Grants leases. Not thread-safe: its owner calls it from one thread; time is passed in, in seconds."""

    def __init__(self, run_id: str, schedule: Schedule, stored: frozenset[int], version: int) -> None:
        self._run_id = run_id
        self._schedule = schedule
        self._stored = set(stored)
        self._version = version
        self._open: dict[int, _Open] = {}
        self._attempts: dict[int, int] = {}
        self._next = 0

    @property
    def open_leases(self) -> int:
        return len(self._open)

    @property
    def stored(self) -> int:
        return len(self._stored)

    def grant(self, now: float) -> Lease | Wait | Finished:
        """The next episode to play: the first whose lease ran out, else the first that was never leased."""
        number = self._expired(now)
        if number is None:
            number = self._fresh()
        if number is None:
            if len(self._stored) == self._schedule.episodes:
                return Finished()
            return Wait(f"{self.open_leases} episodes are being played", RETRY_SECONDS)
        if number // self._schedule.episodes_per_update > self._version + self._schedule.max_lag:
            return Wait(f"update {self._version + 1} comes first", RETRY_SECONDS)
        return self._lease(number, now)

    def complete(self, number: int) -> None:
        """Called when the episode of this place is stored."""
        self._open.pop(number, None)
        self._stored.add(number)

    def advance(self, version: int) -> None:
        """Called when `version` is published."""
        self._version = version

    def batch_is_whole(self) -> bool:
        """Whether all episodes of the next update are stored."""
        return all(number in self._stored for number in self._schedule.batch(self._version))

    def _expired(self, now: float) -> int | None:
        return next((number for number, held in self._open.items() if held.expires <= now), None)

    def _fresh(self) -> int | None:
        while self._next in self._stored or self._next in self._open:
            self._next += 1
        return self._next if self._next < self._schedule.episodes else None

    def _lease(self, number: int, now: float) -> Lease:
        schedule, attempt = self._schedule, self._attempts.get(number, 0)
        group = number // schedule.group_size
        lease = Lease(
            lease_id=f"{number}.{attempt}",
            run_id=self._run_id,
            number=number,
            group=group,
            attempt=attempt,
            task_seed=derive(schedule.seed, "tasks"),
            seed=derive(schedule.seed, "episode", number, attempt),
            version=self._version,
        )
        self._open.pop(number, None)
        self._open[number] = _Open(lease, now + schedule.lease_seconds)
        self._attempts[number] = attempt + 1
        return lease
