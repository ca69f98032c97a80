"""A drill of the learner: killed before each of its writes, it resumes to the same adapters, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from hiper.v1 import episode_pb2 as pb

from core.files import unfinished_name
from learner.service.run_parts import Trainer
from learner.update.trainer import Trainer as RealTrainer
from run_folder.folder import RunFolder
from run_folder.metric_names import ADAPTER_VERSION
from run_folder.metrics import MetricsFile
from run_folder.store import EpisodeStore
from tests.drills.drill import Effort, Row
from tests.drills.learning import SummingTrainer, learn
from tests.learner import tiny
from tests.learner.service.episodes import episode
from tests.learner.service.runs import SCHEDULE
from trajectory.wire import episode_to_pb


class Failpoints:
    """Counts the writes of this process, and kills it before one of them."""

    def __init__(self, fatal: int | None) -> None:
        self._fatal = fatal
        self.passed = 0

    def __call__(self) -> None:
        if self.passed == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """Makes each write through, renaming, truncation, removal and commit a failpoint."""
        point = self

        def before(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any, **options: Any) -> Any:
                point()
                return call(*arguments, **options)

            return counted

        class Database(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                if sql == "COMMIT":
                    point()
                return super().execute(sql, *parameters)

        connect = sqlite3.connect
        with (
            mock.patch("os.fsync", before(os.fsync)),
            mock.patch("os.rename", before(os.rename)),
            mock.patch("os.replace", before(os.replace)),
            mock.patch("os.truncate", before(os.truncate)),
            mock.patch("shutil.rmtree", before(shutil.rmtree)),
            mock.patch("sqlite3.connect", lambda *a, **o: connect(*a, **o, factory=Database)),
        ):
            yield


def counting(effort: Effort) -> Row:
    """With a trainer whose adapters are a sum of episodes."""
    return _drill("learner: killed at a write", SummingTrainer, episode, effort.stride(most=11))


def training(effort: Effort) -> Row:
    """With the real trainer on a tiny model."""
    # A child that is forked after OpenMP has started its threads would wait for them for ever.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        base = tiny.tiny_model(Path(folder))
        played = [episode_to_pb(each) for each in tiny.episodes(base, SCHEDULE.episodes)]

        def make_trainer() -> Trainer:
            return RealTrainer(tiny.settings(), base, seed=0)

        return _drill("trainer: killed at a write", make_trainer, played.__getitem__, effort.stride(most=29))


def _drill(
    name: str, make_trainer: Callable[[], Trainer], played: Callable[[int], pb.Episode], stride: int
) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        points = _life(root / "whole", make_trainer, played, None)
        assert points is not None
        expected = _adapters(root / "whole")
        survived = lost = doubled = injected = 0
        for fatal in range(0, points, stride):
            place = root / str(fatal)
            assert _life(place, make_trainer, played, fatal) is None
            finished = _life(place, make_trainer, played, None) is not None
            injected += 1
            gone, twice = _counts(place)
            lost, doubled = lost + gone, doubled + twice
            survived += finished and _adapters(place) == expected and not _left_over(place)
    return Row(name, injected, survived, lost, doubled, note=f"{points} writes, adapters equal bit for bit")


def _life(
    root: Path, make_trainer: Callable[[], Trainer], played: Callable[[int], pb.Episode], fatal: int | None
) -> int | None:
    """Runs the learner in a process of its own; the number of its writes, None if it was killed or failed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            point = Failpoints(fatal)
            with point.everywhere():
                failure = learn(root, make_trainer, played, on_publish=point)
            os.write(writing, failure.encode() or str(point.passed).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    answer = os.read(reading, 4096).decode()
    os.close(reading)
    return int(answer) if answer.isdecimal() else None


def _adapters(root: Path) -> dict[str, bytes]:
    folder = RunFolder(root).adapters
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _counts(root: Path) -> tuple[int, int]:
    """Episodes and lines of metrics that are missing, and those that are there too often."""
    with closing(EpisodeStore.reading(RunFolder(root).episodes)) as store:
        stored = len(store.numbers())
    made = [line[ADAPTER_VERSION] for line in MetricsFile(RunFolder(root).metrics).lines()]
    missing = SCHEDULE.episodes - stored + len(set(range(1, SCHEDULE.updates + 1)) - set(made))
    return missing, len(made) - len(set(made))


def _left_over(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if unfinished_name(path)]
