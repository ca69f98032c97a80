"""`hae_conformance`: agreement with the reference, and what it says of files that are none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from core.errors import HiperError
from core.exit_codes import REFUSED, of_error
from hae.cases import differences, read_cases
from studies.hae_conformance import main
from tests.shared_data import shared

CASE: dict[str, Any] = {
    "config": {
        "gamma": 1.0, "lambda_turn": 1.0, "lambda_segment": 1.0, "normalize": False,
        "bootstrap_truncated": True, "keep_penalty": -1.0, "keep_penalty_mode": "fixed",
        "invalid_action_penalty": 0.5,
    },
    "input": {
        "traj": ["b", "a", "b"], "turn": [1, 0, 0], "done": [False, True, False],
        "switch": [False, True, True], "reward": [2.0, 3.0, 1.0], "value_low": [10.0, 20.0, 30.0],
        "value_high": [0.0, 4.0, 5.0], "value_switch": [1.0, 2.0, 3.0], "action_valid": [1, 0, 1],
    },
    "output": {
        "advantage_low": [1.0, -17.5, -18.0], "advantage_high": [0.0, -1.5, 2.0],
        "advantage_switch": [5.0, 0.5, 4.0], "return_low": [11.0, 2.5, 12.0],
        "return_high": [0.0, 2.5, 7.0], "return_switch": [6.0, 2.5, 7.0],
    },
}  # fmt: skip
"""Worked out by hand; the turns of episode b lie apart and backwards."""


def changed(path: tuple[str, str], value: object) -> list[dict[str, Any]]:
    case = json.loads(json.dumps(CASE))
    case[path[0]][path[1]] = value
    return [case]


def written(folder: Path, content: object) -> str:
    file = folder / "cases.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(file)


def test_the_authors_numbers() -> None:
    cases = read_cases(shared("hae/cases.json"))
    found = list(differences(cases))
    assert len(found) == 6 * len(cases)
    assert max(difference.greatest for difference in found) < 1e-5


def test_a_case_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(tmp_path, [CASE])]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 cases, greatest difference ")


def test_a_difference_is_named_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = changed(("output", "advantage_high"), [0.0, -1.5, 2.5])
    assert main([written(tmp_path, content)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == "case 0: advantage_high differs by 0.5"
    assert last == "1 cases, greatest difference 0.5"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Invalid JSON"),
        ("[]", "no cases"),
        ([{"config": {}}], "0.config.gamma: Field required"),
        (changed(("config", "gamma"), 2.0), "case 0: .*gamma"),
        (changed(("config", "speed"), 2.0), "0.config.speed: Extra inputs"),
        (changed(("input", "reward"), [1.0, 2.0]), "case 0: input reward has 2 turns, but traj has 3"),
        (changed(("input", "turn"), [2, 0, 0]), "case 0: the turns of traj 'b' are not numbered"),
        (changed(("input", "done"), [False, True, True]), "case 0: done is true before the last turn"),
        (changed(("input", "value_switch"), None), "case 0: output has advantage_switch"),
        (changed(("output", "return_low"), [1.0]), "case 0: output return_low has 1 turns"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(HiperError) as refused:
        main([written(tmp_path, content)])
    error = " ".join(str(refused.value).split())
    assert re.search(message, error), error
    assert of_error(refused.value) == REFUSED


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HiperError, match="none.json: No such file") as refused:
        main([str(tmp_path / "none.json")])
    assert of_error(refused.value) == REFUSED
