"""Destinations of the metrics besides metrics.jsonl: TensorBoard's event files, Weights & Biases, Trackio."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from configuration.run import RunSettings
from core.errors import ConfigurationError
from run_folder.folder import RunFolder
from run_folder.metric_names import ADAPTER_VERSION
from run_folder.metrics import Metrics, MetricsSink


class TensorBoardSink:
    """TensorBoard's event files; rewritten when a run is resumed, so that no step occurs twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def begin(self, lines: Sequence[Metrics]) -> None:
        from torch.utils.tensorboard import SummaryWriter  # The import takes a second.

        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = SummaryWriter(str(self._folder))
        for line in lines:
            self._add(line)
        self._writer.flush()

    def write(self, line: Metrics) -> None:
        self._add(line)
        self._writer.flush()

    def _add(self, line: Metrics) -> None:
        step = int(line[ADAPTER_VERSION])
        for name, value in line.items():
            self._writer.add_scalar(name, value, step)


class WandbSink:
    """A run of Weights & Biases with the id of our run, so that both are resumed together."""

    def __init__(self, project: str, run_id: str, folder: Path) -> None:
        self._project, self._run_id, self._folder = project, run_id, folder
        self._run: Any = None

    def begin(self, lines: Sequence[Metrics]) -> None:
        import wandb  # type: ignore[import-not-found]  # Optional, and not in the lock.

        self._run = wandb.init(
            project=self._project, id=self._run_id, name=self._run_id, dir=str(self._folder), resume="allow"
        )
        for line in lines:
            self.write(line)

    def write(self, line: Metrics) -> None:
        step = int(line[ADAPTER_VERSION])
        # W&B accepts only growing steps: an update that is made again after a crash keeps its first values.
        if step >= self._run.step:
            self._run.log(line, step=step, commit=True)


class TrackioSink:
    """A run of Trackio with the id of our run; written anew when a run is resumed, as for TensorBoard."""

    def __init__(self, project: str, run_id: str) -> None:
        self._project, self._run_id = project, run_id
        self._run: Any = None

    def begin(self, lines: Sequence[Metrics]) -> None:
        import trackio  # type: ignore[import-not-found]  # Optional, and not in the lock.

        with suppress(ValueError):  # raised if there is no such project yet
            for run in trackio.Api().runs(self._project):
                if run.name == self._run_id:
                    run.delete()
        self._run = trackio.init(project=self._project, name=self._run_id, embed=False)
        for line in lines:
            self.write(line)

    def write(self, line: Metrics) -> None:
        self._run.log(line, step=int(line[ADAPTER_VERSION]))


def check_packages(settings: RunSettings) -> None:
    """Raises `ConfigurationError` if the settings name a project whose package is not installed."""
    for package, project in (("wandb", settings.wandb), ("trackio", settings.trackio)):
        if project is not None and importlib.util.find_spec(package) is None:
            raise ConfigurationError(
                f"--run.{package} {project} needs the package {package}, which is not installed: "
                f"pip install {package}"
            )


def sinks_for(settings: RunSettings, run_id: str, folder: RunFolder) -> tuple[MetricsSink, ...]:
    """The sinks that the settings ask for; raises `ConfigurationError` if a package is not installed."""
    check_packages(settings)
    sinks: list[MetricsSink] = []
    if settings.tensorboard:
        sinks.append(TensorBoardSink(folder.tensorboard))
    if settings.wandb is not None:
        sinks.append(WandbSink(settings.wandb, run_id, folder.root))
    if settings.trackio is not None:
        sinks.append(TrackioSink(settings.trackio, run_id))
    return tuple(sinks)
