"""The runs of the study: their files, their results, and who plays which of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from configuration.tree import Configuration
from core.errors import ConfigurationError, HiperError
from core.exit_codes import Interrupted
from core.files import replace_file
from core.intervals import Proportion, wilson
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.lock import Lock
from run_folder.metrics import Metrics, MetricsFile
from serving.adapters.pair import AdapterPair
from serving.model import resolve_model
from studies.curves.in_process import train_in_process
from studies.curves.methods import Cell
from studies.nano.evaluation import System, play_generated

HELD_OUT = "valid_unseen"
"""Split of the evaluation; its rooms do not occur in training games."""
FIRST_EXPLAINED = 4
"""First update whose explained variance counts: a critic needs some batches before it explains anything."""


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
    """Wall time of the run with its evaluation; of the last start if it was resumed."""
    end: Score | None
    """Score after training; None for a run that only chooses a setting."""
    explained: dict[str, float]
    """Share of the returns' variance that each value function explains, from the fourth update on."""

    @property
    def area(self) -> float:
        """Mean success rate over training, in [0, 1]: the earlier a run learns, the higher it is."""
        return sum(self.training) / len(self.training)


ByHorizon = Mapping[str, Mapping[str, Sequence[Outcome]]]
"""Results by horizon and method; horizons from short to long games."""


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

    def claimed(self) -> Lock | None:
        """A claim on the cell, or None if another process has it; it ends at the latest with the process."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            return Lock(self.root / f"{self.cell.name}.lock", "plays")
        except ConfigurationError:
            return None


def finished(place: Place) -> Outcome | None:
    """The result of a cell, or None if it is not finished."""
    if not place.outcome.exists():
        return None
    content = json.loads(place.outcome.read_text(encoding="utf-8"))
    end = content["end"]
    return Outcome(
        cell=Cell(**content["cell"]),
        training=tuple(content["training"]),
        episodes_per_update=content["episodes_per_update"],
        seconds=content["seconds"],
        end=end and Score(**end),
        explained=content["explained"],
    )


def play(
    place: Place, configuration: Configuration, games: int, on_episode: Callable[[], None] = lambda: None
) -> Outcome:
    """Plays a cell to its end, or resumes it, and writes its outcome.

    Args:
        place: Files of the cell, which the caller has claimed.
        configuration: Configuration of its run.
        games: Number of held-out games to play after training; 0 for none.
        on_episode: Callback for each episode of the training.

    Raises:
        HiperError: the run has failed; a note names its folder.
        Interrupted: a signal ended the run; a note names its folder.
    """
    began = time.monotonic()
    folder = RunFolder(place.folder)
    run = configuration.run.model_copy(update={"dir": place.folder, "resume": folder.episodes.exists()})
    try:
        train_in_process(configuration.model_copy(update={"run": run}), on_episode)
    except (HiperError, Interrupted) as error:
        error.add_note(f"The run in {place.folder} is not finished; the same command resumes it")
        raise
    lines = MetricsFile(folder.metrics).lines()
    version = int(lines[-1][names.ADAPTER_VERSION])
    end = _score(configuration, games, folder.pair(version)) if games else None
    outcome = Outcome(
        cell=place.cell,
        training=tuple(line[names.SUCCESS_RATE] for line in lines if names.SUCCESS_RATE in line),
        episodes_per_update=configuration.learner.episodes_per_update,
        seconds=time.monotonic() - began,
        end=end,
        explained=_explained(lines),
    )
    replace_file(place.outcome, json.dumps(asdict(outcome)))
    return outcome


def base_score(file: Path, configuration: Configuration, games: int) -> Score:
    """The score of the base model without adapters; read from `file` if it was measured before."""
    if (recorded := recorded_score(file)) is not None:
        return recorded
    measured = _score(configuration, games)
    replace_file(file, json.dumps(asdict(measured)))
    return measured


def recorded_score(file: Path) -> Score | None:
    """The score that was written to `file`, if any."""
    return Score(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _explained(lines: list[Metrics]) -> dict[str, float]:
    """Means over the updates by value function; none for estimators without values."""
    late = [line for line in lines if line[names.ADAPTER_VERSION] >= FIRST_EXPLAINED]
    found: dict[str, list[float]] = {}
    for head in ("high", "switch", "low"):
        key = names.critic(names.explained_variance(head))
        found[head] = [line[key] for line in late if key in line]
    return {head: sum(values) / len(values) for head, values in found.items() if values}


def _score(configuration: Configuration, games: int, adapters: AdapterPair | None = None) -> Score:
    """Plays held-out games at the configured temperature."""
    system = System(resolve_model(configuration.planner.model), configuration.planner, adapters)
    episodes, report = play_generated(configuration, system, HELD_OUT, games)
    return Score(sum(episode.won for episode in episodes), len(episodes), report.turns, report.switches)
