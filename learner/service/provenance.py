"""Checks that an episode was played as it was leased, by adapters that the learner published."""

from __future__ import annotations

from collections.abc import Iterator

from hiper.v1 import episode_pb2 as pb

from core.errors import PreconditionError
from core.role import Role
from learner.service.published import PublishedAdapters
from trajectory.lease import Lease


def check_lease(episode: pb.Episode, lease: Lease) -> None:
    """Checks what the lease says of the episode.

    Raises:
        PreconditionError: names the field that differs.
    """
    for name, found, leased in (
        ("group", episode.group, lease.group),
        ("key.attempt", episode.key.attempt, lease.attempt),
        ("key.seed", episode.key.seed, lease.seed),
    ):
        if found != leased:
            raise PreconditionError(
                f"episode {episode.number}: {name} is {found}; lease {lease.lease_id} has {leased}"
            )


def check_answers(episode: pb.Episode, lease: Lease, published: PublishedAdapters) -> None:
    """Checks what answered in each turn.

    Raises:
        PreconditionError: names the turn and field of the first answer that is not from a published adapter
            of the lease's version or later.
    """
    for where, role, generation in answers(episode):
        _check_answer(generation, role, f"episode {episode.number}: {where}", lease, published)


def answers(episode: pb.Episode) -> Iterator[tuple[str, Role, pb.Generation]]:
    """Each answer of the episode: its turn and field in words, the role that gave it, and the answer."""
    for turn in episode.turns:
        yield f"turn {turn.index}: plan", Role.PLANNER, turn.plan
        yield f"turn {turn.index}: act", Role.EXECUTOR, turn.act


def _check_answer(
    generation: pb.Generation, role: Role, where: str, lease: Lease, published: PublishedAdapters
) -> None:
    version, epoch = generation.adapter_version, generation.adapter_epoch
    if not lease.version <= version <= published.newest:
        raise PreconditionError(
            f"{where}: adapter_version is {version}; lease {lease.lease_id} accepts {lease.version} to "
            f"{published.newest}"
        )
    if epoch != published.epoch:
        raise PreconditionError(f"{where}: adapter_epoch is {epoch}; the run is in epoch {published.epoch}")
    if generation.adapter_sha256 != published.hash_of(version, role):
        digits = generation.adapter_sha256.hex()[:16] or "empty"
        raise PreconditionError(
            f"{where}: adapter_sha256 is {digits}; version {version} of the {role.value} has another hash"
        )
