"""The count that CI closes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.count_cases import Counts, count

PASSED = '<testcase name="a"/>'
FAILED = '<testcase name="b"><failure message="no"/></testcase>'
BROKEN = '<testcase name="c"><error message="no"/></testcase>'
SKIPPED = '<testcase name="d"><skipped message="later"/></testcase>'


def result(folder: Path, label: str, status: str, cases: str | None, attempt: int = 1) -> dict:
    outputs = []
    if cases is not None:
        xml = folder / f"{label.strip('/')} {attempt}.xml"
        xml.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
        outputs.append({"name": "test.xml", "uri": xml.as_uri()})
    identity = {"label": label, "run": 1, "shard": 1, "attempt": attempt}
    return {
        "id": {"testResult": identity},
        "testResult": {"status": status, "testActionOutput": outputs},
    }


def completed(label: str, success: bool) -> dict:
    return {"id": {"targetCompleted": {"label": label}}, "completed": {"success": success} if success else {}}


def counted(folder: Path, *events: dict) -> Counts:
    path = folder / "events.json"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return count(path)


def test_cases_of_all_targets_are_added_up(tmp_path: Path) -> None:
    assert counted(
        tmp_path,
        completed("//a", True),
        result(tmp_path, "//a", "PASSED", PASSED * 3 + SKIPPED),
        result(tmp_path, "//b", "FAILED", PASSED + FAILED + BROKEN),
    ) == Counts(passed=4, failed=2, skipped=1)


@pytest.mark.parametrize("cases", [None, "", PASSED])
def test_a_target_that_dies_without_a_failed_case_is_one_failure(tmp_path: Path, cases: str | None) -> None:
    assert counted(tmp_path, result(tmp_path, "//a", "TIMEOUT", cases)).failed == 1


def test_a_target_that_cannot_be_built_is_one_failure(tmp_path: Path) -> None:
    assert counted(tmp_path, completed("//a", False), completed("//b", True)) == Counts(failed=1)


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    first = result(tmp_path, "//a", "FAILED", FAILED)
    second = result(tmp_path, "//a", "PASSED", PASSED, attempt=2)
    assert counted(tmp_path, first, second) == Counts(passed=1)


def test_skipped_cases_are_named_only_where_there_are_some() -> None:
    assert str(Counts(3, 0, 0)) == "3 passed, 0 failed"
    assert str(Counts(3, 1, 2)) == "3 passed, 1 failed, 2 skipped"
