"""Access control: the roles that certificates name, and a table of the calls that each role may make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from core.errors import ForbiddenError, UnauthenticatedError
from serving.rpc.status import AroundCalls

_SCHEME = "hiper:"
"""Scheme of the URI that names a role in a certificate's subjectAltName, such as `URI:hiper:learner`."""


class Peer(Enum):
    """Roles of callers; a certificate can name several."""

    LEARNER = "learner"
    """Pushes adapters to the model servers."""
    ORCHESTRATOR = "orchestrator"
    """Plays episodes with the model servers, and sends them to the learner."""
    PLANNER = "planner"
    """Answers Plan, and registers with the learner."""
    EXECUTOR = "executor"
    """Answers Act, and registers with the learner."""
    OPERATOR = "operator"
    """A person or a person's command: evaluates, pushes adapters, rolls back, inspects the servers."""


_PLAYS = frozenset({Peer.ORCHESTRATOR, Peer.OPERATOR})
_OPERATES = frozenset({Peer.OPERATOR})

MAY_CALL: Mapping[str, frozenset[Peer]] = {
    "/hiper.v1.PlannerService/Plan": _PLAYS,
    "/hiper.v1.ExecutorService/Act": _PLAYS,
    "/hiper.v1.AdapterService/Push": frozenset({Peer.LEARNER, Peer.OPERATOR}),
    "/hiper.v1.AdapterService/Claim": frozenset({Peer.LEARNER}),
    "/hiper.v1.AdapterService/Sleep": frozenset({Peer.LEARNER}),
    "/hiper.v1.AdapterService/Rollback": _OPERATES,
    "/hiper.v1.AdapterService/GetState": frozenset(Peer),
    "/hiper.v1.EpisodeService/Lease": frozenset({Peer.ORCHESTRATOR}),
    "/hiper.v1.EpisodeService/Submit": frozenset({Peer.ORCHESTRATOR}),
    "/hiper.v1.EpisodeService/Renew": frozenset({Peer.ORCHESTRATOR}),
    "/hiper.v1.EpisodeService/SetAside": frozenset({Peer.ORCHESTRATOR}),
    "/hiper.v1.LearnerService/GetStatus": _PLAYS,
    "/hiper.v1.LearnerService/Stop": _PLAYS,
    "/hiper.v1.PoolService/Register": frozenset({Peer.PLANNER, Peer.EXECUTOR}),
    "/hiper.v1.PoolService/WatchPool": _PLAYS,
    "/hiper.v1.PoolService/Drain": _OPERATES,
    f"/{health.SERVICE_NAME}/Check": frozenset(Peer),
    f"/{health.SERVICE_NAME}/List": frozenset(Peer),
    f"/{health.SERVICE_NAME}/Watch": frozenset(Peer),
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": _OPERATES,
}
"""Roles that may make each call; calls that are missing here are refused to everybody."""


class AccessControl(AroundCalls):
    """Refuses calls unless the caller's certificate names a role that may make them."""

    @asynccontextmanager
    async def around(self, method: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        check_access(method, context.auth_context())
        yield


def check_access(method: str, auth_context: Mapping[str, list[bytes]]) -> None:
    """Checks a call against `MAY_CALL`.

    Args:
        method: Full name of the call, such as `/hiper.v1.AdapterService/Push`.
        auth_context: Contents of the caller's certificate, which gRPC has verified.

    Raises:
        UnauthenticatedError: the caller has not presented a certificate.
        ForbiddenError: the certificate names no role that may make this call.
    """
    if not auth_context.get("x509_pem_cert"):
        raise UnauthenticatedError(f"{method} needs a certificate")
    _check_names(method, auth_context, MAY_CALL.get(method, frozenset()))


def check_peer(what: str, auth_context: Mapping[str, list[bytes]], peer: Peer) -> None:
    """Checks that a caller who has shown a certificate has this role.

    Args:
        what: Beginning of the message: what the role is needed for.
        auth_context: Contents of the caller's certificate, which gRPC has verified; without one, as between
            servers that need none, nothing is checked.
        peer: The role.

    Raises:
        ForbiddenError: the certificate does not name the role.
    """
    if auth_context.get("x509_pem_cert"):
        _check_names(what, auth_context, frozenset({peer}))


def _check_names(what: str, auth_context: Mapping[str, list[bytes]], allowed: frozenset[Peer]) -> None:
    names = [uri.decode(errors="replace") for uri in auth_context.get("peer_uri") or ()]
    if not any(_SCHEME + peer.value in names for peer in allowed):
        accepted = " or ".join(sorted(f"URI:{_SCHEME}{peer.value}" for peer in allowed)) or "none"
        shown = ", ".join(f"URI:{name}" for name in names) or "no URI"
        raise ForbiddenError(
            f"{what} needs a certificate with a subjectAltName {accepted}; the caller's has {shown}"
        )
