"""The state machine of one model server in its pool; time is passed in, in seconds.

    JOINING → CATCHING_UP → READY ⇄ SUSPECT → GONE        also DRAINING and RETIRED

The state is derived from what has been heard from the server, and from what it has acknowledged. A server is
READY only if its present incarnation has acknowledged the adapter that it should serve now.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import HiperError
from core.role import Role
from learner.pool.rate import TokenRate
from trajectory.pool import Member, MemberState, Replica

_REMEMBERED = 8
"""Number of earlier incarnations whose late messages are recognised."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that the servers of a role should serve."""

    run_id: str
    epoch: int
    version: int
    sha256: bytes
    folder: Path
    """PEFT folder."""

    def served_by(self, replica: Replica) -> bool:
        """Whether the server says that it serves this adapter."""
        served = (replica.run_id, replica.epoch, replica.version, replica.sha256)
        return served == (self.run_id, self.epoch, self.version, self.sha256)


@dataclass(frozen=True)
class Limits:
    """How long a server may be silent, and how often it may fail."""

    heartbeat: float = 2.0
    """Seconds between two reports."""
    expiry: float = 6.0
    """Seconds of silence after which a server is GONE."""
    restarts: int = 5
    """Number of incarnations in a row that may fail; after one more, the server is RETIRED."""
    steady: float = 60.0
    """Seconds that an incarnation must have served so that those before it are forgiven."""

    @property
    def suspicion(self) -> float:
        """Seconds of silence after which a server is SUSPECT: more than one report is missing."""
        return (self.heartbeat + self.expiry) / 2


@dataclass(frozen=True)
class Due:
    """A push that a server needs now."""

    role: Role
    address: str
    incarnation: str
    adapter: Adapter


@dataclass
class _Life:
    """One incarnation of a server."""

    replica: Replica
    heard: float
    pushed: bool = False
    """Whether a push to it has begun."""
    held: Adapter | None = None
    """The last adapter that it acknowledged, unless it was gone or changed since."""
    served_since: float | None = None
    """Time of its first acknowledgement."""
    differs: bool = False
    """Whether its last report named another adapter than the one that it acknowledged."""
    drained: bool = False
    trouble: str = ""
    """Why the last push failed."""
    refusal: HiperError | None = None
    rate: TokenRate = field(default_factory=TokenRate)


class MemberMachine:
    """What is known of the server at one address. Called from one event loop."""

    def __init__(self, role: Role, address: str, limits: Limits, now: float) -> None:
        self.role, self.address = role, address
        self._limits, self._known_since = limits, now
        self._life: _Life | None = None
        self._ended: tuple[str, ...] = ()
        self._restarts = 0
        self._failures = 0
        self._exhausted = ""
        self._unreached = ""
        self._refusal: HiperError | None = None

    def heard(self, replica: Replica, now: float) -> None:
        """The server has described itself; late messages of earlier incarnations are ignored."""
        if replica.incarnation in self._ended:
            return
        self._unreached = ""
        life = self._life
        if life is None or life.replica.incarnation != replica.incarnation:
            self._begin(replica, now)
            return
        if self._silent(now) > self._limits.expiry:
            life.held = None
        life.replica, life.heard = self._as_acknowledged(life, replica), now
        life.rate.add(now, replica.generated_tokens)

    def unreached(self, reason: str) -> None:
        """The server at a listed address does not answer."""
        self._unreached = reason

    def refused(self, incarnation: str | None, reason: HiperError) -> None:
        """This incarnation (None: the server, whichever it is) cannot be used; it is RETIRED."""
        if incarnation is None:
            self._refusal = reason
        elif life := self._of(incarnation):
            life.refusal = reason

    def pushing(self, incarnation: str) -> None:
        """A push to this incarnation begins."""
        if life := self._of(incarnation):
            life.pushed = True

    def acknowledged(self, incarnation: str, adapter: Adapter, now: float) -> None:
        """This incarnation answers new calls with the adapter."""
        if life := self._of(incarnation):
            life.pushed, life.held, life.differs, life.trouble = True, adapter, False, ""
            life.replica, life.heard = _serving(life.replica, adapter), now
            life.served_since = now if life.served_since is None else life.served_since

    def troubled(self, incarnation: str, reason: str) -> None:
        """A push to this incarnation has failed, and is tried again."""
        if life := self._of(incarnation):
            life.trouble = reason

    def drain(self, undo: bool = False) -> None:
        """Gives this incarnation no new episodes; `undo` gives it some again, also if it was RETIRED."""
        if self._life:
            self._life.drained = not undo
        if undo:
            self._failures, self._exhausted, self._refusal = 0, "", None
            if self._life:
                self._life.refusal = None

    def excuse(self, seconds: float, now: float) -> None:
        """Does not count this much of the silence: nothing could be heard in that time."""
        self._known_since = min(now, self._known_since + seconds)
        if self._life:
            self._life.heard = min(now, self._life.heard + seconds)

    def state(self, now: float, wanted: Adapter | None) -> MemberState:
        """The state, if the server should serve `wanted`; None if there is nothing to be served yet."""
        life = self._life
        if self.refusal is not None or self._exhausted:
            return MemberState.RETIRED
        if life is None or self._silent(now) > self._limits.expiry:
            return MemberState.GONE
        if life.replica.draining or life.drained:
            return MemberState.DRAINING
        if wanted is not None and life.held == wanted:
            return MemberState.READY if self.responsive(now) else MemberState.SUSPECT
        return MemberState.CATCHING_UP if life.pushed else MemberState.JOINING

    def due(self, now: float, wanted: Adapter | None) -> Due | None:
        """The push that it needs; None if it needs none, or cannot take one."""
        life, state = self._life, self.state(now, wanted)
        if wanted is None or life is None or not life.replica.healthy:
            return None
        if state not in (MemberState.JOINING, MemberState.CATCHING_UP):
            return None
        return Due(self.role, self.address, life.replica.incarnation, wanted)

    def responsive(self, now: float) -> bool:
        """Whether it is healthy, and its reports come."""
        life = self._life
        return life is not None and life.replica.healthy and self._silent(now) <= self._limits.suspicion

    def forgotten(self, now: float, seconds: float) -> bool:
        """Whether it has been silent for so long that it need not be shown any more."""
        return self._silent(now) > seconds

    @property
    def incarnation(self) -> str:
        """The present incarnation; empty before the first."""
        return self._life.replica.incarnation if self._life else ""

    @property
    def refusal(self) -> HiperError | None:
        """Why it cannot be used; None if it can."""
        return self._refusal or (self._life.refusal if self._life else None)

    def member(self, now: float, wanted: Adapter | None, bound: int = 0) -> Member:
        """The server as others are told about it; `bound` is its number of bound episodes."""
        state, life = self.state(now, wanted), self._life
        return Member(
            replica=life.replica if life else Replica(self.role, self.address, incarnation=""),
            state=state,
            lag=_lag(life.replica if life else None, wanted),
            bound_episodes=bound,
            tokens_per_second=life.rate.per_second if life and state is not MemberState.GONE else 0.0,
            restarts=self._restarts,
            silent_seconds=self._silent(now),
            reason=self._reason(state),
        )

    def _of(self, incarnation: str) -> _Life | None:
        life = self._life
        return life if life and life.replica.incarnation == incarnation else None

    def _silent(self, now: float) -> float:
        return now - (self._life.heard if self._life else self._known_since)

    def _begin(self, replica: Replica, now: float) -> None:
        if self._life is not None:
            self._count(self._life)
        self._life = _Life(replica, now)
        self._life.rate.add(now, replica.generated_tokens)
        self._refusal = None

    def _count(self, ended: _Life) -> None:
        self._ended = (*self._ended, ended.replica.incarnation)[-_REMEMBERED:]
        self._restarts += 1
        if ended.replica.draining and ended.replica.healthy:
            return  # It was stopped on purpose.
        served = 0.0 if ended.served_since is None else ended.heard - ended.served_since
        self._failures = 1 if served >= self._limits.steady else self._failures + 1
        if self._failures > self._limits.restarts:
            self._exhausted = (
                f"it ended {self._failures} times in a row before it had served for "
                f"{self._limits.steady:g} s (pool.restarts, pool.steady_seconds)"
            )

    def _as_acknowledged(self, life: _Life, replica: Replica) -> Replica:
        """The report, corrected if it may have been overtaken by an acknowledgement."""
        if life.held is None or life.held.served_by(replica):
            life.differs = False
            return replica
        if not life.differs:
            life.differs = True
            return _serving(replica, life.held)
        life.held, life.differs = None, False  # Two reports in a row: it has been made to serve another.
        return replica

    def _reason(self, state: MemberState) -> str:
        life = self._life
        match state:
            case MemberState.RETIRED:
                return str(self.refusal) if self.refusal else self._exhausted
            case MemberState.GONE if life is None:
                return self._unreached or "it has not been heard of yet"
            case MemberState.GONE:
                return self._unreached
            case MemberState.DRAINING:
                return "it has been told to stop" if life and life.replica.draining else "it is drained"
            case MemberState.SUSPECT if life and not life.replica.healthy:
                return "it is not healthy"
            case MemberState.JOINING | MemberState.CATCHING_UP if life:
                return life.trouble
        return ""


def _serving(replica: Replica, adapter: Adapter) -> Replica:
    return replace(
        replica,
        run_id=adapter.run_id,
        epoch=adapter.epoch,
        version=adapter.version,
        sha256=adapter.sha256,
    )


def _lag(replica: Replica | None, wanted: Adapter | None) -> int:
    if wanted is None:
        return 0
    if replica and (replica.run_id, replica.epoch) == (wanted.run_id, wanted.epoch):
        return max(0, wanted.version - replica.version)
    return wanted.version + 1
