"""Whole episodes for tests, as the wire has them."""

from __future__ import annotations

from collections.abc import Mapping

from hiper.v1 import episode_pb2 as pb

from core.role import Role
from trajectory.lease import Lease

HASHES = {Role.PLANNER: "01" * 32, Role.EXECUTOR: "02" * 32}
"""Of adapters that nobody made."""


def generation(tokens: int = 3, version: int = 0) -> pb.Generation:
    return pb.Generation(
        prompt_ids=[1, 2, 3],
        token_ids=list(range(tokens)),
        logprobs=[-0.5] * tokens,
        adapter_version=version,
        temperature=1.0,
        engine_seconds=0.1,
    )


def turn(index: int, reward: float = 0.0, switch: bool = False) -> pb.Turn:
    return pb.Turn(
        index=index,
        observation=f"observation {index}",
        decision=pb.DECISION_SWITCH if switch or index == 0 else pb.DECISION_KEEP,
        subgoal="find a mug",
        plan_valid=True,
        plan=generation(),
        decision_span=pb.TokenSpan(begin=0, end=1),
        subgoal_span=pb.TokenSpan(begin=1, end=3),
        action="look",
        action_valid=True,
        act=generation(4),
        action_span=pb.TokenSpan(begin=0, end=4),
        reward=reward,
        seconds=0.25,
        environment_seconds=0.01,
    )


def episode(number: int = 0, turns: int = 3, run_id: str = "run", attempt: int = 0) -> pb.Episode:
    return pb.Episode(
        key=pb.EpisodeKey(run_id=run_id, task_id=f"task-{number}", seed=2**63 + number, attempt=attempt),
        number=number,
        group=number,
        lease_id=f"{number}.{attempt}",
        benchmark="alfworld",
        task_type="pick_and_place_simple",
        goal="put a mug in a cabinet",
        turns=[turn(t, reward=float(t == turns - 1)) for t in range(turns)],
        terminated=True,
        won=True,
        score=1.0,
        final_observation="done",
        seconds=1.0,
    )


def as_leased(lease: Lease, hashes: Mapping[Role, str] = HASHES, turns: int = 3) -> pb.Episode:
    """The episode of a lease, answered by the adapters of its version, which have these hashes."""
    return stamped(episode(lease.number, turns, lease.run_id, lease.attempt), lease, hashes)


def stamped(played: pb.Episode, lease: Lease, hashes: Mapping[Role, str]) -> pb.Episode:
    """The same turns as if they had been played under this lease."""
    played.key.run_id, played.key.attempt, played.number = lease.run_id, lease.attempt, lease.number
    played.group, played.lease_id = lease.group, lease.lease_id
    played.key.task_id, played.key.seed = f"task-{lease.group}", lease.seed
    for each in played.turns:
        for role, said in ((Role.PLANNER, each.plan), (Role.EXECUTOR, each.act)):
            said.adapter_version, said.adapter_epoch = lease.version, lease.epoch
            said.adapter_sha256 = bytes.fromhex(hashes[role])
    return played
