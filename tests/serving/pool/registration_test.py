"""The heartbeat of a model server, while the learner is there, away, and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from core.errors import PreconditionError, UnavailableError
from core.role import Role
from serving.pool.registration import Registration
from trajectory.pool import Replica


@dataclass
class Learner:
    """Takes registrations, or answers with the next error; counts the pauses between."""

    errors: Iterator[Exception | None] = field(default_factory=lambda: iter(()))
    hangs: bool = False
    heard: list[Replica] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    tries: int = 0

    async def register(self, replica: Replica) -> float:
        self.tries += 1
        while self.hangs:
            await asyncio.Event().wait()
        if error := next(self.errors, None):
            raise error
        self.heard.append(replica)
        return 7.0

    async def pause(self, seconds: float) -> None:
        """Ends the test after four pauses, of which nothing is waited for."""
        self.pauses.append(seconds)
        if len(self.pauses) == 4:
            self.enough.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def registration(self) -> Registration:
        return Registration(
            lambda: Replica(Role.PLANNER, "host:1", "a", calls=self.tries), self.register, 2.0, self.pause
        )


async def kept(learner: Learner) -> None:
    async with learner.registration().kept():
        await learner.enough.wait()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_server_describes_itself_anew_at_the_pace_of_the_learner_and_says_that_it_drains() -> None:
    learner = Learner()
    asyncio.run(kept(learner))
    assert [replica.calls for replica in learner.heard] == [0, 1, 2, 3, 4]
    assert [replica.draining for replica in learner.heard] == [False] * 4 + [True]
    assert learner.pauses == [7.0] * 4


def test_a_learner_that_is_away_or_refuses_is_asked_again_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = UnavailableError("the learner at host:2 is not there")
    learner = Learner(iter([away, away, PreconditionError("another base model"), None]))
    with caplog.at_level(logging.INFO):
        asyncio.run(kept(learner))
    assert learner.pauses == [2.0, 2.0, 2.0, 7.0]
    assert caplog.messages == [
        "not registered, and tried again: the learner at host:2 is not there",
        "not registered, and tried again: another base model",
        "registered as host:1",
    ]


def test_a_mistake_of_ours_does_not_end_the_registration(caplog: pytest.LogCaptureFixture) -> None:
    learner = Learner(iter([ZeroDivisionError("a bug"), None]))
    asyncio.run(kept(learner))
    assert len(learner.heard) == 4
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_server_drains_even_if_the_learner_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.pool.registration._FAREWELL_SECONDS", 0.01)
    learner = Learner()

    async def work() -> None:
        async with learner.registration().kept():
            await learner.enough.wait()
            learner.hangs = True
        assert learner.tries == 5

    asyncio.run(work())
