"""What is read from a run's folder, and which episodes are shown."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configuration.tree import Configuration
from core.errors import NotFoundError
from core.intervals import Mean, Proportion
from orchestrator.report.data import EvaluationSummary, read
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore, TurnAdvantages
from tests.orchestrator.progress.moments import episode
from trajectory.wire import episode_to_pb

CONFIGURATION = Configuration.model_validate({"run": {"seed": 3}})
ADVANTAGES = [TurnAdvantages(0.5, 1.5, 2.5), TurnAdvantages(-0.25, 0.0, -3.5)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    saved_configuration.write(RunFolder(tmp_path), CONFIGURATION)
    return tmp_path


def played(run: Path, *won: bool, used: tuple[int, ...] = ()) -> None:
    """Stores episodes, of which updates have used some."""
    store = EpisodeStore(run / "episodes.sqlite", "run-7")
    for number, each in enumerate(won):
        stored = replace(episode(number, won=each), key=replace(episode(0).key, run_id="run-7", seed=number))
        store.add(episode_to_pb(stored))
    for number in used:
        store.set_advantages(number, ADVANTAGES)
    store.close()


def evaluated(run: Path, name: str, split: str = "valid_seen", version: int = 0, **changes: Any) -> None:
    (run / "evaluation").mkdir(exist_ok=True)
    whole = {
        "episodes": 6,
        "success": {"rate": 0.5, "low": 0.25, "high": 0.75},
        "score": {"mean": 0.5, "half": 0.125},
        "turns": 7.0,
    }
    content = {
        "split": split,
        "adapters": {"label": f"v{version}", "version": version},
        "results": {"all": whole},
        **changes,
    }
    (run / "evaluation" / name).write_text(json.dumps(content))


def test_a_folder_with_a_configuration_is_enough(run: Path) -> None:
    data = read(run)
    assert Configuration.model_validate(tomllib.loads(data.configuration)) == CONFIGURATION
    assert data.folder.root == run
    assert (data.run_id, data.played, data.won, data.lost) == ("", 0, None, None)
    assert (data.lines, data.ends, data.evaluations) == ((), (), ())


def test_a_folder_without_one_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"configuration\.toml"):
        read(tmp_path)


def test_episodes_are_counted_and_the_latest_of_each_kind_is_shown(run: Path) -> None:
    played(run, True, False, True, False)
    data = read(run)
    assert (data.run_id, data.played) == ("run-7", 4)
    assert data.won is not None and data.lost is not None
    assert (data.won.episode.number, data.lost.episode.number) == (2, 3)
    assert data.won.advantages == ()


def test_an_episode_that_an_update_has_used_is_preferred(run: Path) -> None:
    played(run, True, True, True, used=(0, 1))
    data = read(run)
    assert data.won is not None and data.lost is None
    assert data.won.episode.number == 1
    assert data.won.advantages == tuple(ADVANTAGES)


def test_a_store_that_cannot_be_read_is_left_out(run: Path) -> None:
    (run / "episodes.sqlite").write_bytes(b"not a database")
    assert read(run).played == 0


def test_metrics_are_those_of_the_folder_unless_they_are_given(run: Path) -> None:
    (run / "metrics.jsonl").write_text('{"adapter/version": 1}\n{"adapter/version": 2}\n')
    (run / "ends.jsonl").write_text('{"adapter/version": 2, "timing_s/push": 3.0}\n')
    data = read(run)
    assert data.lines == ({"adapter/version": 1}, {"adapter/version": 2})
    assert data.ends == ({"adapter/version": 2, "timing_s/push": 3.0},)
    assert read(run, [{"adapter/version": 7.0}]).lines == ({"adapter/version": 7.0},)
    assert len(read(run, []).lines) == 2, "none are known elsewhere"


def test_an_evaluation_is_read_whole(run: Path) -> None:
    evaluated(run, "a.json", version=4)
    assert read(run).evaluations == (
        EvaluationSummary(
            file="a.json",
            split="valid_seen",
            label="v4",
            version=4,
            episodes=6,
            success=Proportion(0.5, 0.25, 0.75),
            score=Mean(0.5, 0.125),
            turns=7.0,
        ),
    )


def test_evaluations_are_sorted_by_split_and_version(run: Path) -> None:
    evaluated(run, "1.json", "valid_unseen", 0)
    evaluated(run, "2.json", "valid_seen", 10)
    evaluated(run, "3.json", "valid_seen", 9)
    evaluated(run, "4.json", "valid_seen", -1)
    found = [(one.split, one.version) for one in read(run).evaluations]
    assert found == [("valid_seen", -1), ("valid_seen", 9), ("valid_seen", 10), ("valid_unseen", 0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"results": {}},
        {"results": None},
        {"adapters": {"label": "v1"}},
        {"results": {"all": {"success": {"rate": 1.0}, "episodes": 1}}},
    ],
)
def test_other_files_are_left_out(run: Path, changes: dict[str, Any]) -> None:
    evaluated(run, "whole.json")
    evaluated(run, "other.json", **changes)
    (run / "evaluation" / "torn.json").write_text('{"split": "val')
    (run / "evaluation" / "list.json").write_text("[]")
    (run / "evaluation" / "notes.txt").write_text("{}")
    assert [one.file for one in read(run).evaluations] == ["whole.json"]
