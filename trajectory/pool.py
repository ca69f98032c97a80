"""The pools of model servers, as values: what a server says of itself, and what its pool makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from core.role import Role


class MemberState(Enum):
    """State of a model server in its pool. Only READY servers are given episodes."""

    JOINING = "joining"
    """It has registered, but nothing was pushed to this incarnation yet."""
    CATCHING_UP = "catching up"
    """The adapter that it should serve is being pushed to it."""
    READY = "ready"
    """This incarnation has acknowledged the adapter that it should serve."""
    SUSPECT = "suspect"
    """It was ready, and has missed heartbeats or is not healthy."""
    DRAINING = "draining"
    """It finishes the calls that it has, and is given no new episodes."""
    GONE = "gone"
    """It has not been heard of for longer than a member may be silent."""
    RETIRED = "retired"
    """It failed too often in a row, and is not tried again."""


@dataclass(frozen=True)
class Replica:
    """A model server, as it describes itself."""

    role: Role
    address: str
    """Address `host:port` at which the learner and the orchestrators reach it."""
    incarnation: str
    """Drawn at random each time that the server starts."""
    node: str = ""
    """Name of the machine that it runs on."""
    base_model: str = ""
    """Fingerprint of its base model."""
    run_id: str = ""
    """Run whose adapter it serves; empty for the base model alone."""
    epoch: int = 0
    version: int = -1
    sha256: bytes = b""
    draining: bool = False
    """Whether it has been told to stop: it finishes the calls that it has."""
    healthy: bool = True
    generated_tokens: int = 0
    """Tokens sampled since the server started."""
    calls: int = 0
    """Calls that it is answering."""


@dataclass(frozen=True)
class Member:
    """A model server, as its pool sees it."""

    replica: Replica
    state: MemberState
    lag: int = 0
    """Number of versions that it is behind."""
    bound_episodes: int = 0
    """Episodes bound to it, summed over the orchestrators."""
    tokens_per_second: float = 0.0
    restarts: int = 0
    """Number of incarnations seen at this address, without the first."""
    silent_seconds: float = 0.0
    """Seconds since it was last heard of."""
    reason: str = ""
    """Why it is in its state, in words."""


@dataclass(frozen=True)
class PoolTable:
    """All model servers of a run."""

    run_id: str = ""
    epoch: int = 0
    version: int = -1
    """Version that the members should serve; -1 before the first."""
    members: tuple[Member, ...] = ()
    revision: int = 0
    """Raised by each change of a member's state."""

    def ready(self, role: Role) -> tuple[Member, ...]:
        """The members of a role that may be given episodes."""
        return tuple(
            member
            for member in self.members
            if member.replica.role is role and member.state is MemberState.READY
        )

    def present(self, role: Role) -> tuple[Replica, ...]:
        """The servers of a role that may be there: all that are neither gone nor retired."""
        left = (MemberState.GONE, MemberState.RETIRED)
        return tuple(
            member.replica
            for member in self.members
            if member.replica.role is role and member.state not in left
        )
