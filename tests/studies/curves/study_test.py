"""Cells of the study: their files, and what is not measured twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from configuration.tree import Configuration
from core.errors import HiperError
from studies.curves.methods import Cell
from studies.curves.study import Outcome, Place, Score, base_score, finished, play

CELL = Cell("short", "grpo", 2e-3, 3)


def configuration(**sections: object) -> Configuration:
    return Configuration.model_validate({"learner": {"episodes_per_update": 16}, **sections})


def test_a_cell_has_a_folder_and_a_result_of_its_own(tmp_path: Path) -> None:
    place = Place(tmp_path, CELL)
    assert place.folder == tmp_path / "short-grpo-0.002-3"
    assert place.outcome == tmp_path / "short-grpo-0.002-3" / "outcome.json"


def test_success_has_its_wilson_interval() -> None:
    success = Score(won=8, games=10, turns=5.0, switches=2.0).success
    assert success.rate == 0.8
    assert (success.low, success.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize("end", [Score(190, 200, 8.25, 2.0), None])
def test_a_result_is_read_as_it_was_written(tmp_path: Path, end: Score | None) -> None:
    place = Place(tmp_path, CELL)
    outcome = Outcome(CELL, (0.0, 0.25, 1.0), 16, 90.5, end, {"low": 0.5})
    assert finished(place) is None
    place.folder.mkdir()
    assert finished(place) is None, "a run that was begun"
    place.outcome.write_text(json.dumps(asdict(outcome)))
    assert finished(place) == outcome


def test_the_base_model_is_not_measured_again(tmp_path: Path) -> None:
    score = Score(50, 200, 12.0, 1.5)
    (tmp_path / "base.json").write_text(json.dumps(asdict(score)))
    nowhere = {"model": "./no/such/model"}
    unplayable = configuration(planner=nowhere, executor=nowhere, learner={**nowhere})
    assert base_score(tmp_path / "base.json", unplayable, games=200) == score
    with pytest.raises(HiperError, match="no model at"):
        base_score(tmp_path / "other.json", unplayable, games=200)
    assert not (tmp_path / "other.json").exists()


def test_a_run_that_fails_names_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    place = Place(tmp_path, CELL)
    with pytest.raises(HiperError, match="ALFWORLD_DATA") as failed:
        play(place, configuration(environment={"source": "real"}), 10)
    (note,) = failed.value.__notes__
    assert str(place.folder) in note and "resumes it" in note
