"""What benchmarks write, and the command that runs those whose result is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import speed
from benchmarks.results import Figure, Outcome, ResultFlags
from core.errors import InvalidInputError


@pytest.mark.parametrize(("value", "at_least", "verdict"), [(3.0, True, "reached"), (3.0, False, "missed")])
def test_a_figure_says_whether_its_goal_is_reached(value: float, at_least: bool, verdict: str) -> None:
    bound = "at least" if at_least else "at most"
    assert str(Figure("ratio", value, 2.0, at_least=at_least)) == f"ratio: 3 ×; goal: {bound} 2 ×, {verdict}"
    assert Figure("ratio", 2.0, 2.0, at_least=at_least).reached


def test_a_result_is_appended_once_and_not_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.md"
    argv = ["--rounds", "1", "--results", str(file), "--title", "hae"]
    for name in ("push", "hae"):
        Outcome("other", argv, ResultFlags(results=file, title=name)).show(
            "a table", figures=[Figure("ratio", 2000.0, 1000.0)]
        )
    text = file.read_text(encoding="utf-8")
    assert "ratio: 2000 ×; goal: at least 1000 ×, reached" in text
    assert "options: --rounds 1; began" in text
    assert speed.measured(file) == {"push", "hae"}
    capsys.readouterr()
    assert speed.run(["--results", str(file), "--only", "push,hae"]) == 0
    assert capsys.readouterr().out == f"push: in {file} already\nhae: in {file} already\n"
    assert file.read_text(encoding="utf-8") == text


def test_a_benchmark_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="pull; there are push, rollout"):
        speed.run(["--results", str(tmp_path / "results.md"), "--only", "pull"])
    assert not list(tmp_path.iterdir())


def test_each_benchmark_can_be_selected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.md"
    names = [one.name for one in speed.MEASUREMENTS]
    file.write_text("".join(f"## {name}\n" for name in names), encoding="utf-8")
    assert speed.run(["--results", str(file), "--only", ",".join(names)]) == 0
    assert capsys.readouterr().out == "".join(f"{name}: in {file} already\n" for name in names)
