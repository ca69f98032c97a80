"""The lease gate: which episode may be played now, so that none lags more updates behind than allowed.

Episode n belongs to batch n // episodes_per_update, and update v makes version v + 1 out of batch v. An
episode may be leased while its batch is at most `max_lag` updates ahead, so it is trained on by an update at
most `max_lag` versions after the one it was begun with, and every episode that was played is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

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

    @property
    def task_seed(self) -> int:
        """Seed of the order of tasks."""
        return derive(self.seed, "tasks")

    def batch(self, update: int) -> range:
        """Places of the episodes that this update trains on."""
        return range(update * self.episodes_per_update, (update + 1) * self.episodes_per_update)


@dataclass(frozen=True)
class _Open:
    lease: Lease
    expires: float


class LeaseGate:
    """Grants leases. Not thread-safe: its owner calls it from one thread; time is passed in, in seconds."""

    def __init__(
        self, run_id: str, schedule: Schedule, stored: frozenset[int], version: int, epoch: int = 0
    ) -> None:
        self._run_id = run_id
        self._epoch = epoch
        self._schedule = schedule
        self._stored = set(stored)
        self._set_aside: set[int] = set()
        self._version = version
        self._open: dict[int, _Open] = {}
        self._places: dict[str, int] = {}  # of the open leases, by their ids
        self._freed: list[int] = []
        self._attempts: dict[int, int] = {}
        self._next = 0

    @property
    def open_leases(self) -> int:
        return len(self._open)

    @property
    def stored(self) -> int:
        return len(self._stored)

    def grant(self, now: float) -> Lease | Wait | Finished:
        """The next episode to play: the first whose lease ended, else the first that was never leased."""
        number = self._ended(now)
        if number is None:
            number = self._fresh()
        if number is None:
            if not self._open:
                return Finished()
            return Wait(f"{self.open_leases} episodes are being played", RETRY_SECONDS)
        if number // self._schedule.episodes_per_update > self._version + self._schedule.max_lag:
            return Wait(f"update {self._version + 1} comes first", RETRY_SECONDS)
        return self._lease(number, now)

    def leased(self, number: int) -> Lease | None:
        """The lease of this place that its episode must have been played under; None if there is none.

        A lease whose time is over stays open until its place is leased again.
        """
        held = self._open.get(number)
        return held.lease if held else None

    def place(self, lease_id: str) -> int | None:
        """The place of an open lease; None if it is not open."""
        return self._places.get(lease_id)

    def is_stored(self, number: int) -> bool:
        return number in self._stored

    def renew(self, lease_ids: Iterable[str], now: float) -> tuple[str, ...]:
        """Keeps these leases for their whole time from now on; those of them that are not open any more."""
        lapsed = []
        for lease_id in lease_ids:
            if (number := self._places.get(lease_id)) is None:
                lapsed.append(lease_id)
            else:
                expires = now + self._schedule.lease_seconds
                self._open[number] = replace(self._open[number], expires=expires)
        return tuple(lapsed)

    def free(self, number: int) -> None:
        """The lease of this place ends now: the next one who asks gets the place."""
        if self._end(number):
            self._freed.append(number)

    def complete(self, number: int) -> None:
        """The episode at this place is stored."""
        self._close(number)
        self._stored.add(number)

    def set_aside(self, number: int) -> None:
        """This place stays without an episode."""
        self._close(number)
        self._set_aside.add(number)

    def advance(self, version: int) -> None:
        """Called when `version` is published. Places of earlier batches are not leased any more."""
        self._version = version
        self._next = max(self._next, self._schedule.batch(version).start)

    def batch_is_whole(self) -> bool:
        """Whether all episodes of the next update are stored, or set aside."""
        return all(self._is_done(number) for number in self._schedule.batch(self._version))

    def _is_done(self, number: int) -> bool:
        return number in self._stored or number in self._set_aside

    def _close(self, number: int) -> None:
        self._end(number)
        if number in self._freed:
            self._freed.remove(number)

    def _end(self, number: int) -> bool:
        """Whether this place had an open lease, which is none any more."""
        held = self._open.pop(number, None)
        if held is not None:
            del self._places[held.lease.lease_id]
        return held is not None

    def _ended(self, now: float) -> int | None:
        if self._freed:
            return self._freed[0]
        return next((number for number, held in self._open.items() if held.expires <= now), None)

    def _fresh(self) -> int | None:
        while self._is_done(self._next) or self._next in self._attempts:
            self._next += 1
        return self._next if self._next < self._schedule.episodes else None

    def _lease(self, number: int, now: float) -> Lease:
        schedule, attempt = self._schedule, self._attempts.get(number, 0)
        group = number // schedule.group_size
        lease = Lease(
            lease_id=f"{self._epoch}.{number}.{attempt}",
            run_id=self._run_id,
            number=number,
            group=group,
            attempt=attempt,
            task_seed=schedule.task_seed,
            seed=derive(schedule.seed, "episode", number, attempt),
            version=self._version,
            epoch=self._epoch,
            seconds=schedule.lease_seconds,
        )
        self._close(number)
        self._open[number] = _Open(lease, now + schedule.lease_seconds)
        self._places[lease.lease_id] = number
        self._attempts[number] = attempt + 1
        return lease
