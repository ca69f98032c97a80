"""A training run for each estimator, seed and horizon, and an evaluation of the trained model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from configuration.tree import Configuration
from core.errors import HiperError
from core.exit_codes import Interrupted
from core.files import replace_file
from core.intervals import Proportion, wilson
from orchestrator import rollout
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile
from serving.adapters.pair import AdapterPair
from serving.model import resolve_model
from studies.nano.evaluation import System, play_generated

HELD_OUT = "valid_unseen"
"""Split of the evaluation; its rooms do not occur in training games."""


@dataclass(frozen=True)
class Cell:
    """A run of the study."""

    horizon: str
    estimator: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.horizon}-{self.estimator}-{self.seed}"


@dataclass(frozen=True)
class Score:
    """The result of an evaluation on held-out games, with one episode each."""

    won: int
    games: int
    turns: float
    """Mean number of turns per episode."""
    switches: float
    """Mean number of subgoals per episode."""

    @property
    def success(self) -> Proportion:
        """Success rate with its 95 % Wilson interval."""
        return wilson(self.won, self.games)


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    cell: Cell
    training: tuple[float, ...]
    """Success rate, in [0, 1], of the episodes of each update, which were played before it."""
    episodes_per_update: int
    seconds: float
    """Duration of playing and updating, without starting the servers and evaluating."""
    end: Score
    """Score after training."""


@dataclass(frozen=True)
class Place:
    """The files of a cell's run."""

    root: Path
    """Folder of the study."""
    cell: Cell

    @property
    def folder(self) -> Path:
        return self.root / self.cell.name

    @property
    def outcome(self) -> Path:
        """File of the result, which is written last: a cell that has it is finished."""
        return self.folder / "outcome.json"


def configured(base: Configuration, cell: Cell, model: Path, group_size: int) -> Configuration:
    """The configuration of a cell's run.

    Args:
        base: Configuration of the horizon, which is changed only in what the cell names.
        cell: The run.
        model: Folder of the base model.
        group_size: Number of episodes of the same task, for the estimator that compares those (GRPO).
    """
    name = str(model)
    learner = {"model": name, "group_size": group_size if cell.estimator == "grpo" else 1}
    changed = {
        "run": base.run.model_copy(update={"seed": cell.seed}),
        "planner": base.planner.model_copy(update={"model": name}),
        "executor": base.executor.model_copy(update={"model": name}),
        "learner": base.learner.model_copy(update=learner),
        "estimator": base.estimator.model_copy(update={"estimator": cell.estimator}),
    }
    return Configuration.model_validate(base.model_copy(update=changed).model_dump())


def finished(place: Place) -> Outcome | None:
    """The result of a cell, or None if it is not finished."""
    if not place.outcome.exists():
        return None
    content = json.loads(place.outcome.read_text(encoding="utf-8"))
    return Outcome(
        cell=Cell(**content["cell"]),
        training=tuple(content["training"]),
        episodes_per_update=content["episodes_per_update"],
        seconds=content["seconds"],
        end=Score(**content["end"]),
    )


def train(place: Place, configuration: Configuration) -> None:
    """Plays the run to its end; resumes it if it was interrupted.

    Raises:
        HiperError: the run has failed; a note names its log.
        Interrupted: a signal ended the run; a note names its log.
    """
    resume = RunFolder(place.folder).episodes.exists()
    run = configuration.run.model_copy(update={"dir": place.folder, "resume": resume})
    place.folder.mkdir(parents=True, exist_ok=True)
    log = place.root / f"{place.cell.name}.log"
    with log.open("a", encoding="utf-8") as file:
        try:
            rollout.play(configuration.model_copy(update={"run": run}), Console(file=file, width=110))
        except (HiperError, Interrupted) as error:
            error.add_note(f"The run in {place.folder} is not finished; its log is {log}")
            raise


def conclude(place: Place, configuration: Configuration, games: int) -> Outcome:
    """Evaluates the last adapters on held-out games and writes the outcome."""
    folder = RunFolder(place.folder)
    lines = MetricsFile(folder.metrics).lines()
    version = int(lines[-1][names.ADAPTER_VERSION])
    outcome = Outcome(
        cell=place.cell,
        training=tuple(line[names.SUCCESS_RATE] for line in lines if names.SUCCESS_RATE in line),
        episodes_per_update=configuration.learner.episodes_per_update,
        seconds=sum(line[names.TIME_STEP] for line in lines),
        end=_score(configuration, games, folder.pair(version)),
    )
    replace_file(place.outcome, json.dumps(asdict(outcome)))
    return outcome


def base_score(file: Path, configuration: Configuration, games: int) -> Score:
    """The score of the base model without adapters; read from `file` if it was measured before."""
    if file.exists():
        return Score(**json.loads(file.read_text(encoding="utf-8")))
    measured = _score(configuration, games)
    replace_file(file, json.dumps(asdict(measured)))
    return measured


def _score(configuration: Configuration, games: int, adapters: AdapterPair | None = None) -> Score:
    """Plays held-out games at the configured temperature."""
    system = System(resolve_model(configuration.planner.model), configuration.planner, adapters)
    episodes, report = play_generated(configuration, system, HELD_OUT, games)
    return Score(sum(episode.won for episode in episodes), len(episodes), report.turns, report.switches)
