"""What goes to TensorBoard is what stands in metrics.jsonl, each step once, whatever a run goes through."""

from __future__ import annotations

import contextlib
import importlib.util
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configuration.run import RunSettings
from core.errors import ConfigurationError
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics, MetricsFile
from run_folder.sinks import TensorBoardSink, TrackioSink, WandbSink, sinks_for


def line(version: int, loss: float = 0.5) -> Metrics:
    return {"adapter/version": version, "actor/planner/loss": loss, "episode/success_rate": 0.25}


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of every event, in the order in which they were written."""
    events = EventAccumulator(str(folder), purge_orphaned_data=False).Reload()
    assert sorted(events.Tags()["scalars"]) == sorted(line(0))
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_each_update_is_there_once_after_a_crash_between_its_line_and_its_checkpoint(tmp_path: Path) -> None:
    path, folder = tmp_path / "metrics.jsonl", tmp_path / "tensorboard"
    first = MetricsFile(path, [TensorBoardSink(folder)])
    first.rewind(0)
    for version in (1, 2, 3):
        first.append(line(version))
    assert scalars(folder, "actor/planner/loss") == [(1, 0.5), (2, 0.5), (3, 0.5)]

    again = MetricsFile(path, [TensorBoardSink(folder)])
    again.rewind(2)
    again.append(line(3, loss=0.25))
    assert scalars(folder, "actor/planner/loss") == [(1, 0.5), (2, 0.5), (3, 0.25)]
    assert scalars(folder, "episode/success_rate") == [(1, 0.25), (2, 0.25), (3, 0.25)]


def test_a_run_that_is_given_the_flag_later_has_its_beginning_too(tmp_path: Path) -> None:
    path, folder = tmp_path / "metrics.jsonl", tmp_path / "tensorboard"
    MetricsFile(path).append(line(1))
    MetricsFile(path, [TensorBoardSink(folder)]).rewind(1)
    assert scalars(folder, "actor/planner/loss") == [(1, 0.5)]


class FullDisk:
    def __init__(self) -> None:
        self.asked = 0

    def begin(self, lines: Sequence[Metrics]) -> None:
        pass

    def write(self, line: Metrics) -> None:
        self.asked += 1
        raise OSError("no space left on device")


def test_a_sink_that_fails_is_left_out_and_the_file_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = FullDisk()
    file = MetricsFile(tmp_path / "metrics.jsonl", [sink])
    file.rewind(0)
    for version in (1, 2):
        file.append(line(version))
    assert [one["adapter/version"] for one in file.lines()] == [1, 2]
    assert sink.asked == 1
    assert "FullDisk is left out from now on: no space left on device" in caplog.text


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert sinks_for(RunSettings(), "run", folder) == ()
    assert [type(one) for one in sinks_for(RunSettings(tensorboard=True), "run", folder)] == [TensorBoardSink]


@pytest.mark.parametrize("package", ["wandb", "trackio"])
def test_a_missing_package_is_named(tmp_path: Path, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    settings = RunSettings.model_validate({package: "project"})
    with pytest.raises(ConfigurationError, match=f"pip install {package}"):
        sinks_for(settings, "run", RunFolder(tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb, which is optional, is missing")
def test_a_run_of_wandb_keeps_our_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    file = MetricsFile(tmp_path / "metrics.jsonl", [sink := WandbSink("hiper", "run-7", tmp_path)])
    file.rewind(0)
    file.append(line(1))
    file.append(line(2, loss=0.25))
    assert sink._run.id == "run-7"
    assert sink._run.summary["actor/planner/loss"] == 0.25
    assert sink._run.step == 3
    sink._run.finish()


@pytest.mark.skipif(
    importlib.util.find_spec("trackio") is None, reason="trackio, which is optional, is missing"
)
def test_a_run_of_trackio_has_each_step_once_after_it_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    path = tmp_path / "metrics.jsonl"
    for last in (0, 2):
        file = MetricsFile(path, [sink := TrackioSink("hiper", "run-7")])
        file.rewind(last)
        for version in range(last + 1, 4):
            file.append(line(version, loss=last / 4))
        sink._run.finish()
    (database,) = (tmp_path / "trackio").glob("*.db")
    with contextlib.closing(sqlite3.connect(database)) as db:
        steps = db.execute("SELECT step FROM metrics WHERE run_name = 'run-7' ORDER BY step").fetchall()
    assert steps == [(1,), (2,), (3,)]
