"""A whole run in this process, with a tiny model of random weights: every method, and resumption."""

from __future__ import annotations

from pathlib import Path

import pytest

from configuration.files import read_toml
from configuration.tree import Configuration
from core.role import Role
from run_folder import metric_names as names
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile
from run_folder.store import EpisodeStore
from serving.model import ModelFolder
from studies.curves.horizons import PRESETS
from studies.curves.in_process import train_in_process
from studies.curves.methods import METHODS, Cell, configured
from studies.curves.study import Place, finished, play
from tests.byte_tokenizer import byte_tokenizer
from tests.learner.tiny import tiny_model
from trajectory.episode import Decision


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("model")
    made = tiny_model(folder, words=300, context=1024)
    byte_tokenizer().save_pretrained(made.path)
    return made


def configuration(model: ModelFolder, method: str, root: Path, **changes: int) -> Configuration:
    base = read_toml(PRESETS / "nano.toml")
    base["environment"] |= {"step_limit": 3}
    base["environment"]["generator"] |= {"games": 6}
    base["learner"] |= {"updates": 2, "episodes_per_update": 4, **changes}
    for role in ("planner", "executor"):
        base[role] |= {"context_length": 1024, "max_new_tokens": 4}
    cell = Cell("tiny", method, 1e-3, 5)
    made = configured(Configuration.model_validate(base), cell, model.path, group_size=2)
    return made.model_copy(update={"run": made.run.model_copy(update={"dir": root})})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_plays_and_trains(model: ModelFolder, method: str, tmp_path: Path) -> None:
    counted: list[None] = []
    settings = configuration(model, method, tmp_path)
    train_in_process(settings, lambda: counted.append(None))
    folder = RunFolder(tmp_path)
    lines = MetricsFile(folder.metrics).lines()
    assert [line[names.ADAPTER_VERSION] for line in lines] == [1, 2]
    assert len(counted) == 8
    episodes = EpisodeStore.reading(folder.episodes).load(range(8))
    answered = [{*episode.versions} for episode in episodes]
    assert answered == [{0}] * 4 + [{1}] * 4
    groups = [episode.group for episode in episodes]
    assert groups == ([0, 0, 1, 1, 2, 2, 3, 3] if settings.learner.group_size == 2 else list(range(8)))
    begun: dict[int, set[str]] = {}
    for episode in episodes:
        begun.setdefault(episode.group, set()).add(episode.turns[0].observation)
    # The state in which GiGPO compares turns: all episodes of a group begin in the same one.
    assert all(len(observations) == 1 for observations in begun.values())
    adapters = [folder.pair(version).hashes() for version in (0, 2)]
    assert adapters[0] != adapters[1]


def test_without_a_hierarchy_only_the_executor_learns(model: ModelFolder, tmp_path: Path) -> None:
    train_in_process(configuration(model, "no_hierarchy", tmp_path))
    folder = RunFolder(tmp_path)
    for episode in EpisodeStore.reading(folder.episodes).load(range(8)):
        decisions = [turn.plan.decision for turn in episode.turns]
        assert decisions == [Decision.SWITCH] + [Decision.KEEP] * (len(decisions) - 1)
        assert {turn.plan.subgoal for turn in episode.turns} == {episode.goal}
    lines = MetricsFile(folder.metrics).lines()
    assert all(line[names.actor(Role.PLANNER, names.TOKENS)] == 0 for line in lines)
    assert all(line[names.actor(Role.EXECUTOR, names.TOKENS)] > 0 for line in lines)


def test_an_interrupted_cell_is_resumed_and_its_outcome_written_once(
    model: ModelFolder, tmp_path: Path
) -> None:
    place = Place(tmp_path, Cell("tiny", "grpo", 1e-3, 5))
    half = configuration(model, "grpo", place.folder, updates=1)
    train_in_process(half)
    assert finished(place) is None
    counted: list[None] = []
    whole = configuration(model, "grpo", place.folder)
    outcome = play(place, whole, games=2, on_episode=lambda: counted.append(None))
    assert len(counted) == 4, "those of the second update"
    assert len(outcome.training) == 2 and outcome.explained == {}
    assert outcome.end is not None and outcome.end.games == 2
    assert finished(place) == outcome
