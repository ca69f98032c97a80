"""What is read from a run's folder, and what is noted about it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
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
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages
from tests.orchestrator.progress.moments import episode
from trajectory.wire import episode_to_pb

CONFIGURATION = Configuration.model_validate({"run": {"seed": 3}})
_HOLD = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
file.write(f"{os.getpid()}\\n"); file.flush()
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
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


def evaluated(
    run: Path,
    name: str,
    split: str = "valid_seen",
    version: int = 0,
    score: dict[str, float] | None = None,
    **changes: Any,
) -> None:
    (run / "evaluation").mkdir(exist_ok=True)
    whole = {
        "episodes": 6,
        "success": {"rate": 0.5, "low": 0.25, "high": 0.75},
        "score": {"mean": 0.5, "low": 0.375, "high": 0.625} if score is None else score,
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
    assert (data.run_id, data.played, data.running) == ("", 0, False)
    assert data.notes == ("There is no episodes.sqlite: the learner has not started yet, or runs elsewhere.",)
    assert (data.lines, data.ends, data.evaluations) == ((), (), ())


def test_a_folder_without_one_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"configuration\.toml"):
        read(tmp_path)


def test_episodes_are_counted(run: Path) -> None:
    played(run, True, False, True, False)
    data = read(run)
    assert (data.run_id, data.played, data.notes) == ("run-7", 4, ())


def test_a_store_that_cannot_be_read_is_noted(run: Path) -> None:
    (run / "episodes.sqlite").write_bytes(b"not a database")
    data = read(run)
    assert data.played == 0
    (note,) = data.notes
    assert note.startswith("No episodes: ") and "is not an episode store" in note


def test_a_store_of_another_format_is_noted(run: Path) -> None:
    played(run, True)
    with contextlib.closing(sqlite3.connect(run / "episodes.sqlite")) as db:
        db.execute("UPDATE run SET format = 7")
        db.commit()
    assert any("has format 7; this version reads format 1" in note for note in read(run).notes)


def test_a_store_without_values_is_noted(run: Path) -> None:
    played(run, True)
    with contextlib.closing(sqlite3.connect(run / "episodes.sqlite")) as db:
        db.execute("DROP TABLE turn_values")
        db.commit()
    data = read(run)
    assert data.played == 1
    assert data.notes == (
        "episodes.sqlite is of an earlier version, which did not keep the critic's values.",
    )


def test_lines_that_hold_no_metrics_are_noted_and_the_others_shown(run: Path) -> None:
    lines = ['{"adapter/version": 1}', "torn", '{"adapter/version": 3}', '{"adapter/ver']
    (run / "metrics.jsonl").write_text("\n".join(lines))
    data = read(run)
    assert [line["adapter/version"] for line in data.lines] == [1, 3]
    assert "metrics.jsonl: left out 1 lines that hold no metrics: 2." in data.notes


def test_without_a_configuration_the_rest_is_shown(run: Path) -> None:
    played(run, True)
    (run / "configuration.toml").unlink()
    data = read(run)
    assert (data.played, data.configuration) == (1, "")
    assert data.notes == ("There is no configuration.toml.",)


def test_a_damaged_configuration_is_noted_and_shown(run: Path) -> None:
    path = run / "configuration.toml"
    path.write_text(path.read_text().replace("seed = 3", "seed = 4"))
    data = read(run)
    assert "seed = 4" in data.configuration
    assert any("SHA-256 is not the one" in note for note in data.notes)


def test_a_run_in_progress_is_told_by_its_lock(run: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(run / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert read(run).running
    finally:
        holder.communicate()
    assert not read(run).running


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
            score=Mean(0.5, 0.375, 0.625),
            turns=7.0,
        ),
    )


def test_an_evaluation_of_an_earlier_version_has_an_interval_within_the_scores(run: Path) -> None:
    evaluated(run, "a.json", score={"mean": 0.875, "half": 0.25})
    (found,) = read(run).evaluations
    assert found.score == Mean(0.875, 0.625, 1.0)


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
    data = read(run)
    assert [one.file for one in data.evaluations] == ["whole.json"]
    noted = [note.split()[0] for note in data.notes if "is not a complete evaluation" in note]
    assert noted == ["evaluation/list.json", "evaluation/other.json", "evaluation/torn.json"]
