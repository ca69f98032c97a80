"""Where a run's time goes: the parts of each line of metrics add up, over processes too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.progress import Progress
from core.role import Role
from learner.service.admission import Admission
from learner.service.training_run import TrainingRun
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics, MetricsFile
from tests.learner.service.runs import CountingTrainer, Shelf, open_run, played, warm_start


class Clock:
    """Stands still but where a part of the run takes its seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def takes(self, seconds: float, call: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: Any) -> Any:
            self.now += seconds
            return call(*args)

        return slow


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Every episode that is handed in takes 32 seconds, update 8, checkpoint 4."""
    clock = Clock()
    for owner, method, seconds in (
        (Admission, "submit", 32.0),
        (CountingTrainer, "update", 8.0),
        (CountingTrainer, "save_checkpoint", 4.0),
    ):
        monkeypatch.setattr(owner, method, _slow_method(clock, seconds, getattr(owner, method)))
    return clock


def _slow_method(clock: Clock, seconds: float, method: Callable[..., Any]) -> Callable[..., Any]:
    def slow(self: object, *args: Any, **options: Any) -> Any:
        clock.now += seconds
        return method(self, *args, **options)

    return slow


class SlowShelf(Shelf):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def publish(self, role: Role, version: int, folder: Path, report: Progress) -> None:
        self._clock.now += 16 / len(Role)
        await super().publish(role, version, folder, report)


def slow_run(root: Path, clock: Clock) -> TrainingRun:
    return open_run(
        root,
        shelf=SlowShelf(clock),
        clock=clock,
        make_trainer=clock.takes(1, CountingTrainer),
        first=clock.takes(2, warm_start),
    )


def timings(line: Metrics) -> Metrics:
    return {name.removeprefix("timing_s/"): s for name, s in line.items() if name.startswith("timing_s/")}


def test_the_parts_of_each_line_add_up_to_its_step_and_the_steps_to_the_whole_run(
    tmp_path: Path, clock: Clock
) -> None:
    played(slow_run(tmp_path, clock))
    lines = MetricsFile(RunFolder(tmp_path).metrics).lines()
    first, second = map(timings, lines)
    # Two episodes of 32 s a batch.
    assert first == {"start": 3, "checkpoint": 4, "push": 16, "gather": 64, "update": 8, "step": 95}
    assert second == {"checkpoint": 4, "push": 16, "gather": 64, "update": 8, "step": 92}
    (end,) = MetricsFile(RunFolder(tmp_path).ends).lines()
    assert end == {
        "adapter/version": 2,
        "timing_s/checkpoint": 4,
        "timing_s/push": 16,
        "timing_s/step": 20,
    }
    assert clock.now - 100 == sum(line["timing_s/step"] for line in (*lines, end))


def test_a_resumed_process_has_a_start_and_an_end_of_its_own(tmp_path: Path, clock: Clock) -> None:
    run = slow_run(tmp_path, clock)
    run.admission.stop()
    asyncio.run(run.loop.run())
    played(slow_run(tmp_path, clock))
    stopped, end = MetricsFile(RunFolder(tmp_path).ends).lines()
    assert timings(stopped) == {"start": 3, "checkpoint": 4, "push": 16, "gather": 0, "step": 23}
    assert stopped["adapter/version"] == 0 and end["adapter/version"] == 2
    first = MetricsFile(RunFolder(tmp_path).metrics).lines()[0]
    assert first["timing_s/start"] == 1 and "timing_s/checkpoint" not in first
