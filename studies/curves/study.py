"""One training run for each estimator, seed and horizon, and what the trained model then wins."""

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
"""Its rooms occur in no training game."""


@dataclass(frozen=True)
class Cell:
    """One run of the study."""

    horizon: str
    estimator: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.horizon}-{self.estimator}-{self.seed}"


@dataclass(frozen=True)
class Score:
    """Held-out games that were played, one episode each."""

    won: int
    games: int
    turns: float
    """Mean of all episodes."""
    switches: float
    """Subgoals begun in an episode, mean."""

    @property
    def success(self) -> Proportion:
        """With its 95 % Wilson interval."""
        return wilson(self.won, self.games)


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    cell: Cell
    training: tuple[float, ...]
    """Success of each update's episodes, in [0, 1], before that update."""
    episodes_per_update: int
    seconds: float
    """Of playing and updating, starting the servers and evaluating left out."""
    end: Score


@dataclass(frozen=True)
class Place:
    """Where a cell's run is kept."""

    root: Path
    """Of the study."""
    cell: Cell

    @property
    def folder(self) -> Path:
        return self.root / self.cell.name

    @property
    def outcome(self) -> Path:
        """Written last: a cell that has it is finished."""
        return self.folder / "outcome.json"


def configured(base: Configuration, cell: Cell, model: Path, group_size: int) -> Configuration:
    """The cell's run: the base's, but for what the cell names.

    Args:
        base: Of the horizon.
        cell: Which run.
        model: Folder of the base model.
        group_size: Episodes of one task, where the estimator compares those.
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
    """What came of the cell, if it has been run to its end."""
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
    """Plays the run to its end, from where it was if it was interrupted.

    Raises:
        HiperError: the run failed; a note names its log.
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
        training=tuple(line[names.SUCCESS_RATE] for line in lines),
        episodes_per_update=configuration.learner.episodes_per_update,
        seconds=sum(line[names.TIME_STEP] for line in lines),
        end=_score(configuration, games, folder.pair(version)),
    )
    replace_file(place.outcome, json.dumps(asdict(outcome)))
    return outcome


def base_score(file: Path, configuration: Configuration, games: int) -> Score:
    """Of the base model without adapters; from `file` where it was played before."""
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
