"""A clock that is set by hand, and what is told of a run at one moment."""

from __future__ import annotations

from tests.play.answers import act, keep, switch
from trajectory.episode import Episode, EpisodeKey, Turn
from trajectory.learner_status import LearnerStatus, Phase


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def status(
    phase: Phase = Phase.GATHERING,
    version: int = 0,
    done: int = 0,
    total: int = 4,
    stored: int = 0,
    progress: float = 0.0,
    **metrics: float,
) -> LearnerStatus:
    """In the names of metrics, `__` means `/`."""
    return LearnerStatus(
        run_id="run",
        phase=phase,
        message=f"{phase.name.lower()} at {progress:.0%}",
        version=version,
        updates_done=done,
        updates_total=total,
        episodes_stored=stored,
        episodes_trained=0,
        leases_open=0,
        progress=progress,
        metrics={name.replace("__", "/"): value for name, value in metrics.items()},
    )


def turn(first: bool = True, planner: int = 0, executor: int = 0) -> Turn:
    """Two seconds, of which one in the engines and half a second in the environment; 5 tokens or 3."""
    plan = switch("find a mug", planner) if first else keep("find a mug", planner)
    return Turn("room", plan, act("look", executor), 0.0, 2.0, 0.5)


def episode(number: int, *, won: bool = False, terminated: bool = True, turns: int = 2) -> Episode:
    return Episode(
        key=EpisodeKey("run", "task", 7, 0),
        number=number,
        group=number,
        lease_id="lease",
        benchmark="alfworld",
        task_type="pick",
        goal="put a mug in a desk",
        turns=tuple(turn(first=index == 0) for index in range(turns)),
        terminated=terminated,
        truncated=not terminated,
        won=won,
        score=float(won),
        final_observation="done",
        final_planner_prompt_ids=(),
        final_executor_prompt_ids=(),
        seconds=1.0,
    )
