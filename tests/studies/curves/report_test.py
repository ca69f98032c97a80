"""The page: a table for each horizon, the first line, and what is left out where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure

from studies.curves import report
from studies.curves.methods import METHODS
from studies.curves.plots import line
from studies.curves.report import Study, write
from studies.curves.study import Outcome, Score
from tests.studies.curves.outcomes import outcome

SETTINGS: dict[str, object] = {
    "environment.step_limit": 14,
    "environment.generator.task_types": (),
    "learner.updates": 2,
    "learner.episodes_per_update": 16,
}


def study(*outcomes: Outcome, **changes: object) -> Study:
    horizons = dict.fromkeys(each.cell.horizon for each in outcomes)
    values: dict[str, object] = {
        "command": "bazel run x",
        "date": "2026-01-02",
        "remark": "",
        "settings": "Rates were chosen.",
        "runs": len(outcomes),
        "configuration": dict.fromkeys(horizons, SETTINGS),
        "starts": {
            horizon: {True: Score(50, 200, 12.0, 1.5), False: Score(60, 200, 11.0, 1.0)}
            for horizon in horizons
        },
        "outcomes": outcomes,
    }
    return Study(**{**values, **changes})  # type: ignore[arg-type]


TWO = (
    outcome("hae", 0, 0.5, 1.0),
    outcome("hae", 1, 0.25, 0.75),
    outcome("gae", 0, 0.0, 0.5),
    outcome("gae", 1, 0.25, 0.25, won=90),
    outcome("grpo", 0, 0.0, 0.5),
)


def test_a_row_for_each_method_with_differences_paired_by_seed() -> None:
    hae, gae, grpo = report._table(study(*TWO), "short")[2:]
    # 75 and 50 %: the standard error is 12.5, and Student's t for one degree of freedom 12.706.
    assert hae.startswith("| HAE | 0.001 | 2 | 62.5 ± 158.8 | 50.0 ± 0.0 | +37.5 ± 158.8 | +2.5 ± 31.8 |")
    assert hae.endswith("| 0.75, 0.50 | 1.5 |")
    assert gae.startswith("| flat GAE | 0.001 | 2 | 25.0 ± 0.0 | 47.5 ± 31.8 |  |  |")
    assert grpo.startswith("| GRPO | 0.001 | 1 | 25.0 | 50.0 | 0.0 | 0.0 |  |")


def test_each_horizon_has_a_section_and_a_plot_of_its_own(tmp_path: Path) -> None:
    both = study(outcome("hae", 0, 0.5, horizon="tiny"), outcome("gae", 0, 0.5, horizon="long"))
    paths = write(both, tmp_path / "new", "mine")
    assert [path.name for path in paths] == ["mine.md", "mine.json", "mine_tiny.svg", "mine_long.svg"]
    page = paths[0].read_text()
    assert page.index("## Horizon tiny") < page.index("mine_tiny.svg") < page.index("## Horizon long")
    assert "with subgoals 25.0 % [19.5, 31.4] of 200 held-out games, in 12.0 turns with 1.5 subgoals" in page
    assert "without subgoals 30.0 %" in page
    assert "{" not in page
    assert len(json.loads(paths[1].read_text())["outcomes"]) == 2
    again = write(both, tmp_path / "again", "mine")
    assert again[2].read_bytes() == paths[2].read_bytes()


def test_the_page_begins_with_what_was_found(tmp_path: Path) -> None:
    page = write(study(*TWO, runs=35), tmp_path, "mine")[0].read_text().splitlines()
    assert page[0].startswith("# ") and page[2].startswith("**The study is not complete: 5 of 35 runs")


def test_a_horizon_whose_base_models_were_not_measured_has_no_sentence_about_them(tmp_path: Path) -> None:
    page = write(study(*TWO, starts={"short": {}}), tmp_path, "mine")[0].read_text()
    assert "## Horizon short\n\n![success" in page


def test_a_remark_is_left_out_where_there_is_none(tmp_path: Path) -> None:
    without, with_one = (
        write(study(*TWO, remark=remark), tmp_path, "mine")[0].read_text() for remark in ("", "On a Sunday.")
    )
    assert with_one.rstrip().endswith("On a Sunday.")
    assert not without.rstrip().endswith("\n\n") and "Sunday" not in without


def test_a_line_is_the_smoothed_mean_over_the_updates_that_all_seeds_have() -> None:
    axis = Figure().subplots()
    line(axis, "hae", [outcome("hae", 0, 0, 1, 0, 1), outcome("hae", 1, 1, 1, 1, 1, 1)])
    (mean,) = axis.lines
    # Means 0.5, 1, 0.5, 1 over the runs, averaged over up to three updates; the longer run's end is left out.
    assert [round(float(y), 6) for y in mean.get_ydata()] == [0.5, 0.75, 0.666667, 0.833333]
    assert list(mean.get_xdata()) == [0, 16, 32, 48]
    assert mean.get_label() == "HAE" and mean.get_color() == METHODS["hae"].colour
