"""Leases and the learner's status survive the wire both ways; what a newer learner says has a meaning too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hiper.v1 import episode_pb2, learner_pb2

from core.errors import InvalidInputError
from trajectory.learner_status import LearnerStatus, Phase
from trajectory.learner_wire import (
    lease_outcome_from_pb,
    lease_outcome_to_pb,
    status_from_pb,
    status_to_pb,
    task_list_from_pb,
    task_list_to_pb,
)
from trajectory.lease import Finished, Lease, TaskList, TaskPart, Wait

TWO = (TaskPart(3, 2), TaskPart(4, 1))


@pytest.mark.parametrize("phase", Phase)
def test_a_status_comes_back_as_it_was(phase: Phase) -> None:
    status = LearnerStatus("run", phase, "words", -1, 0, 4, 7, 6, 2, 0.5, {"critic/loss": 1.5})
    assert status_from_pb(status_to_pb(status)) == status


def test_every_phase_of_the_wire_is_known() -> None:
    numbers = [number for number in learner_pb2.LearnerPhase.values() if number]
    phases = [status_from_pb(learner_pb2.LearnerStatus(phase=number)).phase for number in numbers]
    assert len(set(phases)) == len(numbers) and Phase.UNKNOWN not in phases


def test_a_phase_of_a_newer_learner_is_unknown() -> None:
    newer = learner_pb2.LearnerStatus.FromString(b"\x10\x63")
    assert newer.phase == 99 and status_from_pb(newer).phase is Phase.UNKNOWN


@pytest.mark.parametrize(
    "outcome", [Lease("7.1", "run", 7, 3, 1, 2**63, 2**64 - 1, 5), Wait("starting", 0.2), Finished()]
)
def test_an_outcome_comes_back_as_it_was(outcome: Lease | Wait | Finished) -> None:
    assert lease_outcome_from_pb(lease_outcome_to_pb(outcome)) == outcome


def test_an_outcome_of_a_newer_learner_is_a_pause() -> None:
    assert isinstance(lease_outcome_from_pb(episode_pb2.LeaseResponse()), Wait)


@pytest.mark.parametrize("parts", [(), TWO])
def test_a_list_of_tasks_comes_back_as_it_was(parts: tuple[TaskPart, ...]) -> None:
    tasks = TaskList(7, b"digest", parts)
    assert task_list_from_pb(episode_pb2.LeaseRequest(tasks=task_list_to_pb(tasks))) == tasks
    assert task_list_from_pb(episode_pb2.LeaseRequest()) is None


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (TaskList(0, b"digest"), "tasks.count: must not be 0"),
        (TaskList(8, b"digest", TWO), "tasks.parts: their counts do not add up to 8"),
        (TaskList(7, b"digest", (*TWO, TaskPart(0, 1))), "tasks.parts: counts must not be 0"),
        (TaskList(7, b"digest", (TWO[0], replace(TWO[1], share=0))), "shares are 1 to 1000"),
        (TaskList(7, b"digest", (TWO[0], replace(TWO[1], share=1001))), "shares are 1 to 1000"),
        (TaskList(101, b"digest", (TaskPart(1, 1),) * 101), "there are at most 100"),
    ],
)
def test_a_list_whose_parts_do_not_make_it_up_is_refused(tasks: TaskList, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        task_list_from_pb(episode_pb2.LeaseRequest(tasks=task_list_to_pb(tasks)))
