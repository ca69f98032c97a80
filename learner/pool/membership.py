"""The members of both pools, and what each role should serve; time is passed in, in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import ExhaustedError, HiperError, NotFoundError, PreconditionError, UnavailableError
from core.role import Role
from learner.pool.loads import HolderLoads
from learner.pool.member import Adapter, Due, Limits, MemberMachine
from trajectory.pool import Member, MemberState, PoolTable, Replica

_MOST_MEMBERS = 512
"""Number of addresses that are remembered, at most: anybody who may register can make them up."""
_FORGOTTEN_SECONDS = 600.0
"""Silence after which a server is not shown any more."""

Key = tuple[Role, str]
"""A member: its role and its address."""


class _Note(NamedTuple):
    """What others act on when it changes."""

    state: MemberState
    incarnation: str
    due: bool


@dataclass(frozen=True)
class RunIdentity:
    """The run whose adapters the members serve."""

    run_id: str
    epoch: int
    base_model: str
    """Fingerprint of its base model."""


class Membership:
    """The table of all model servers of a run. Called from one event loop."""

    def __init__(self, run: RunIdentity, limits: Limits, holder_seconds: float, now: float) -> None:
        """An orchestrator's report of bound episodes counts for `holder_seconds`."""
        self._run, self._limits = run, limits
        self._members: dict[Key, MemberMachine] = {}
        self._wanted: dict[Role, Adapter] = {}
        self._loads = HolderLoads(holder_seconds)
        self._served = dict.fromkeys(Role, now)
        self._noted: dict[Key, _Note] = {}
        self._changed: set[Key] = set()
        self.revision = 0
        """Raised by each change of a member's state, or of the version that they should serve."""

    def heard(self, replica: Replica, now: float) -> None:
        """A server has described itself.

        Raises:
            PreconditionError: it has another base model than the run; it is RETIRED.
            ExhaustedError: there are too many members already.
        """
        key = (replica.role, replica.address)
        if key not in self._members and len(self._members) >= _MOST_MEMBERS:
            raise ExhaustedError(f"the pools have {_MOST_MEMBERS} members already, silent ones included")
        member = self._member(key, now)
        member.heard(replica, now)
        wrong = None
        if replica.base_model != self._run.base_model:
            wrong = PreconditionError(
                f"the {replica.role.value} at {replica.address} has another base model than the run: "
                f"fingerprint {replica.base_model}; the run's is {self._run.base_model}"
            )
            member.refused(replica.incarnation, wrong)
        self._note(key, now)
        if wrong:
            raise wrong

    def unreached(self, role: Role, address: str, reason: str, now: float) -> None:
        """The server at a listed address does not answer."""
        self._member((role, address), now).unreached(reason)
        self._note((role, address), now)

    def refused(self, role: Role, address: str, reason: HiperError, now: float) -> None:
        """The server at a listed address cannot be used."""
        self._member((role, address), now).refused(None, reason)
        self._note((role, address), now)

    def want(self, role: Role, adapter: Adapter, now: float) -> None:
        """From now on, this is what the servers of a role should serve."""
        if role not in self._wanted:
            self._served[role] = now
        self._wanted[role] = adapter
        self.revision += 1
        self.refresh(now)

    def due(self, key: Key, now: float) -> Due | None:
        """The push that a member needs now; None if none."""
        member = self._members.get(key)
        return member.due(now, self._wanted.get(member.role)) if member else None

    def pushing(self, due: Due, now: float) -> None:
        """The push begins."""
        if member := self._of(due):
            member.pushing(due.incarnation)
            self._note((due.role, due.address), now)

    def acknowledged(self, due: Due, now: float) -> None:
        """The server answers new calls with what it was pushed."""
        if member := self._of(due):
            member.acknowledged(due.incarnation, due.adapter, now)
            self._note((due.role, due.address), now)

    def troubled(self, due: Due, reason: str) -> None:
        """The push has failed, and is tried again."""
        if member := self._of(due):
            member.troubled(due.incarnation, reason)

    def rejected(self, due: Due, reason: HiperError, now: float) -> None:
        """The server has refused the push for good."""
        if member := self._of(due):
            member.refused(due.incarnation, reason)
            self._note((due.role, due.address), now)

    def drain(self, address: str, now: float, undo: bool = False) -> None:
        """Gives the members at an address no new episodes, or some again.

        Raises:
            NotFoundError: there are none; names those there are.
        """
        found = [member for member in self._members.values() if member.address == address]
        if not found:
            known = ", ".join(sorted({member.address for member in self._members.values()}))
            raise NotFoundError(f"no member has the address {address}; there are: {known or 'none'}")
        for member in found:
            member.drain(undo)
            self._note((member.role, member.address), now)

    def report_loads(self, holder: str, episodes: Mapping[str, int], now: float) -> None:
        """An orchestrator's number of episodes by the address of the server that they are bound to."""
        self._loads.report(holder, episodes, now)

    def excuse(self, seconds: float, now: float) -> None:
        """Does not count this much of everybody's silence: nothing could be heard in that time."""
        for member in self._members.values():
            member.excuse(seconds, now)
        self._served = {role: min(now, served + seconds) for role, served in self._served.items()}

    def refresh(self, now: float) -> None:
        """Notes what has changed by the time that has passed, and forgets who has long been silent."""
        for key, member in list(self._members.items()):
            if member.forgotten(now, _FORGOTTEN_SECONDS):
                del self._members[key], self._noted[key]
                self.revision += 1
            else:
                self._note(key, now)

    def take_changed(self, now: float) -> list[Member]:
        """The members whose state has changed since the last call."""
        changed, self._changed = self._changed & self._members.keys(), set()
        return [self._members[key].member(now, self._wanted.get(key[0])) for key in changed]

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(self._members)

    def count(self, role: Role, now: float) -> int:
        """The number of READY members."""
        states = (member.state(now, self._wanted.get(role)) for member in self._of_role(role))
        return sum(state is MemberState.READY for state in states)

    def catching_up(self, role: Role, now: float) -> bool:
        """Whether a member that reports as it should is still without the adapter that it should serve."""
        return any(
            member.responsive(now) and member.due(now, self._wanted.get(role))
            for member in self._of_role(role)
        )

    def known(self, role: Role) -> bool:
        """Whether there is any member of the role, in whichever state."""
        return any(True for _ in self._of_role(role))

    def failure(self, role: Role, now: float, patience: float) -> HiperError | None:
        """Why the run cannot continue: no member can be used, or none has been READY for too long."""
        self.refresh(now)
        if role not in self._wanted:
            return None
        members = [member.member(now, self._wanted[role]) for member in self._of_role(role)]
        if members and all(member.state is MemberState.RETIRED for member in members):
            refusals = [member.refusal for member in self._of_role(role)]
            if len(refusals) == 1 and refusals[0]:
                return refusals[0]
            return PreconditionError(f"no {role.value} is left: {_reasons(members)}")
        if now - self._served[role] <= patience:
            return None
        return UnavailableError(
            f"no {role.value} has been ready for {patience:g} s (pool.patience_seconds): {_reasons(members)}"
        )

    def table(self, now: float) -> PoolTable:
        """All members as others are told about them."""
        self.refresh(now)
        loads = self._loads.totals(now)
        versions = [adapter.version for adapter in self._wanted.values()]
        return PoolTable(
            run_id=self._run.run_id,
            epoch=self._run.epoch,
            version=min(versions) if len(versions) == len(Role) else -1,
            members=tuple(
                self._members[key].member(now, self._wanted.get(key[0]), loads.get(key[1], 0))
                for key in sorted(self._members, key=lambda key: (key[0].value, key[1]))
            ),
            revision=self.revision,
        )

    def _member(self, key: Key, now: float) -> MemberMachine:
        known = self._members.get(key)
        if known is None or known.forgotten(now, _FORGOTTEN_SECONDS):
            self._members[key] = MemberMachine(*key, self._limits, now)
        return self._members[key]

    def _of(self, due: Due) -> MemberMachine | None:
        return self._members.get((due.role, due.address))

    def _of_role(self, role: Role) -> list[MemberMachine]:
        return [member for member in self._members.values() if member.role is role]

    def _note(self, key: Key, now: float) -> None:
        """Raises the revision if something about a member has changed that others act on."""
        member, wanted = self._members[key], self._wanted.get(key[0])
        state = member.state(now, wanted)
        if state is MemberState.READY:
            self._served[key[0]] = now
        note = _Note(state, member.incarnation, member.due(now, wanted) is not None)
        before = self._noted.get(key)
        if note == before:
            return
        self._noted[key], self.revision = note, self.revision + 1
        if before is None or before.state is not state:
            self._changed.add(key)


def _reasons(members: list[Member]) -> str:
    if not members:
        return "none is known: none has registered, and none is listed"
    return "; ".join(
        f"{member.replica.address} is {member.state.value}{f' ({member.reason})' if member.reason else ''}"
        for member in members
    )
