"""The study's tables and lines, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from studies.curves import report
from studies.curves.report import COLOURS, NAMES, Study, mean_interval, write
from studies.curves.study import Cell, Outcome, Score


def outcome(estimator: str, seed: int, *training: float, horizon: str = "short", won: int = 100) -> Outcome:
    return Outcome(Cell(horizon, estimator, seed), training, 16, 90.0, Score(won, 200, 8.25, 2.0))


def study(*outcomes: Outcome, **changes: object) -> Study:
    horizons = dict.fromkeys(each.cell.horizon for each in outcomes)
    values: dict[str, object] = {
        "command": "bazel run x",
        "date": "2026-01-02",
        "remark": "",
        "configuration": {horizon: {"a.b": 3} for horizon in horizons},
        "starts": {horizon: Score(50, 200, 12.0, 1.5) for horizon in horizons},
        "outcomes": outcomes,
    }
    return Study(**{**values, **changes})  # type: ignore[arg-type]


def rows(of: Study, horizon: str = "short") -> list[str]:
    return [line for line in report._table(of, horizon).splitlines() if line.startswith("| ")][1:]


def test_a_row_for_each_run_and_one_for_the_mean_of_several_seeds() -> None:
    found = rows(
        study(outcome("hae", 0, 0.5, 1.0), outcome("hae", 1, 0.25, 0.75), outcome("gae", 0, 0.0, 0.5))
    )
    assert [row.split(" | ")[0] for row in found] == ["| HAE", "| HAE", "| **HAE, 2 seeds**", "| flat GAE"]
    assert found[0].startswith("| HAE | 0 | 32 | 75.0 % | 50.0 % ")
    # 75 % and 50 %: the standard error is 12.5, and Student's t for one degree of freedom 12.706.
    assert "**62.5 ± 158.8 %**" in found[2]


def test_each_horizon_has_a_table_of_its_own_runs() -> None:
    both = study(outcome("hae", 0, 0.5), outcome("gae", 0, 0.5, horizon="tiny"))
    assert [row.split(" | ")[0] for row in rows(both)] == ["| HAE"]
    assert [row.split(" | ")[0] for row in rows(both, "tiny")] == ["| flat GAE"]


@pytest.mark.parametrize(
    ("values", "text"),
    [([90.0, 94.0], "92.0 ± 25.4"), ([1.0, 2.0, 3.0], "2.0 ± 2.5"), ([5.0, 5.0, 5.0, 5.0], "5.0 ± 0.0")],
)
def test_intervals_of_means(values: list[float], text: str) -> None:
    # Student's t at 97.5 %: 12.706, 4.303 and 3.182 for one, two and three degrees of freedom.
    assert mean_interval(values) == text


def test_lines_are_each_run_and_their_smoothed_mean() -> None:
    axis = Figure().subplots()
    report._lines(axis, "hae", [outcome("hae", 0, 0, 1, 0, 1), outcome("hae", 1, 1, 1, 1, 1, 1)])
    first, second, mean = axis.lines
    assert first.get_xydata().tolist() == [[0, 0], [16, 1], [32, 0], [48, 1]]
    assert len(second.get_xydata()) == 5
    # Means 0.5, 1, 0.5, 1 over the runs, averaged over up to three updates; the longer run's end is left out.
    assert mean.get_xydata()[:, 1] == pytest.approx([0.5, 0.75, 2 / 3, 2.5 / 3])
    assert mean.get_xydata()[:, 0].tolist() == [0, 16, 32, 48]
    assert mean.get_label() == "HAE" and mean.get_color() == COLOURS["hae"]


def test_every_estimator_has_a_name_and_a_colour_of_its_own() -> None:
    assert COLOURS.keys() == NAMES.keys()
    assert len(set(COLOURS.values())) == len(set(NAMES.values())) == len(NAMES)


def test_a_remark_is_left_out_where_there_is_none(tmp_path: Path) -> None:
    without, with_one = (
        write(study(outcome("hae", 0, 0.5), remark=remark), tmp_path / f"{len(remark)}")[0].read_text()
        for remark in ("", "On a Sunday.")
    )
    assert with_one.rstrip().endswith("On a Sunday.")
    assert not without.rstrip().endswith("\n\n") and "Sunday" not in without
    assert "{" not in without


def test_files_are_called_as_asked(tmp_path: Path) -> None:
    paths = write(study(outcome("hae", 0, 0.5)), tmp_path / "new", name="mine")
    assert [path.name for path in paths] == ["mine.md", "mine.svg", "mine.json"]
    assert "mine.svg" in paths[0].read_text()
