"""Small plans, acts and leases for tests."""

from trajectory.episode import EMPTY_SPAN, Act, Decision, Generation, Plan, Span
from trajectory.lease import Lease


def generation(tokens: int = 2, version: int = 0, engine_seconds: float = 0.5) -> Generation:
    return Generation(
        prompt_ids=(1, 2, 3),
        token_ids=tuple(range(10, 10 + tokens)),
        logprobs=(-0.5,) * tokens,
        adapter_version=version,
        temperature=1.0,
        length_limited=False,
        engine_seconds=engine_seconds,
    )


def switch(subgoal: str, version: int = 0) -> Plan:
    return Plan(Decision.SWITCH, subgoal, True, generation(3, version), Span(0, 1), Span(1, 3))


def keep(subgoal: str, version: int = 0) -> Plan:
    return Plan(Decision.KEEP, subgoal, True, generation(1, version), Span(0, 1), EMPTY_SPAN)


def act(action: str, version: int = 0, valid: bool = True) -> Act:
    return Act(action, valid, generation(2, version), Span(0, 2))


def lease(number: int = 0, seed: int = 7, attempt: int = 0, task_seed: int | None = None) -> Lease:
    return Lease(
        lease_id=f"{number}.{attempt}",
        run_id="run",
        number=number,
        group=number,
        attempt=attempt,
        task_seed=number if task_seed is None else task_seed,
        seed=seed,
        version=0,
    )
