"""Episodes in flight when one of them fails, or when the whole dispatch is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import HiperError, UnavailableError
from environments.benchmark import Task
from play.dispatch import Dispatcher
from tests.play.answers import lease
from trajectory.episode import Episode
from trajectory.lease import Lease

TASKS = (Task("task", "pick", "train"),)


class Scene:
    """A learner with endless leases, models whose episodes never end, and who was told what."""

    def __init__(self, fails_at: int | None = None) -> None:
        self._fails_at = fails_at
        self._leased = 0
        self.full = asyncio.Event()
        self.submitted: list[Episode] = []
        self.open = 0
        self.began = self.left = 0
        self.cancelled: list[int] = []

    async def lease(self) -> Lease:
        self._leased += 1
        return lease(self._leased - 1)

    async def submit(self, episode: Episode) -> bool:
        self.submitted.append(episode)
        return False

    def environment(self) -> Scene:
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1

    async def play(self, granted: Lease, task: Task, environment: Scene) -> Episode:
        if self.began == 3:
            self.full.set()
        await self.full.wait()
        if granted.number == self._fails_at:
            raise UnavailableError(f"episode {granted.number}")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(granted.number)
            raise
        raise AssertionError

    def episode_began(self) -> None:
        self.began += 1

    def episode_left(self) -> None:
        self.left += 1

    def episode(self, episode: Episode) -> None:
        raise AssertionError


def dispatched(scene: Scene) -> Any:
    part: Any = scene
    return Dispatcher(part, part, part, TASKS, concurrency=3, observer=part).run()


def ended(scene_of: Callable[[], Scene], run: Callable[[Scene], Any], error: type[BaseException]) -> Scene:
    """The scene after a dispatch that ended with this error."""
    seen: list[Scene] = []

    async def work() -> None:
        seen.append(scene_of())
        await run(seen[0])

    with pytest.raises(error):
        asyncio.run(work())
    return seen[0]


def test_an_episode_that_fails_cancels_the_others_and_closes_every_environment() -> None:
    scene = ended(lambda: Scene(fails_at=1), dispatched, HiperError)
    assert sorted(scene.cancelled) == [0, 2]
    assert (scene.began, scene.left, scene.open) == (3, 3, 0)
    assert scene.submitted == []


def test_a_cancelled_dispatch_leaves_nothing_open() -> None:
    async def cancelled(scene: Scene) -> None:
        task = asyncio.create_task(dispatched(scene))
        await scene.full.wait()
        task.cancel()
        await task

    scene = ended(Scene, cancelled, asyncio.CancelledError)
    assert sorted(scene.cancelled) == [0, 1, 2]
    assert (scene.began, scene.left, scene.open) == (3, 3, 0)
