"""The study of estimators: its runs' configurations, what is kept of them, and the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from configuration.files import read_toml
from configuration.tree import Configuration
from core.errors import ConfigurationError
from studies.curves.report import Study, mean_interval, write
from studies.curves.study import Cell, Outcome, Place, Score, configured, finished
from studies.nano_curves import HORIZONS, PRESETS, run


def _outcome(estimator: str, seed: int, won: int) -> Outcome:
    return Outcome(Cell("short", estimator, seed), (0.25, 0.5), 16, 90.0, Score(won, 200, 8.25, 2.0))


@pytest.mark.parametrize("preset", HORIZONS.values())
@pytest.mark.parametrize(("estimator", "group"), [("hae", 1), ("gae", 1), ("grpo", 8)])
def test_a_cell_changes_what_it_names_and_nothing_else(preset: str, estimator: str, group: int) -> None:
    base = Configuration.model_validate(read_toml(PRESETS / preset))
    made = configured(base, Cell("short", estimator, 7), Path("/m"), group_size=8)
    assert (made.estimator.estimator, made.learner.group_size, made.run.seed) == (estimator, group, 7)
    assert {made.planner.model, made.executor.model, made.learner.model} == {"/m"}
    assert made.learner.episodes_per_update == base.learner.episodes_per_update
    assert (made.environment, made.ppo, made.lora) == (base.environment, base.ppo, base.lora)


def test_a_finished_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    outcome = _outcome("gae", 1, 190)
    place = Place(tmp_path, outcome.cell)
    assert finished(place) is None
    place.folder.mkdir()
    place.outcome.write_text(json.dumps(asdict(outcome)))
    assert finished(place) == outcome


def test_interval_of_a_mean() -> None:
    # Student's t for one degree of freedom is 12.706; the standard error of 90 and 94 is 2.
    assert mean_interval([90.0, 94.0]) == "92.0 ± 25.4"


def test_page_plot_and_numbers(tmp_path: Path) -> None:
    outcomes = tuple(_outcome(name, seed, 180 + 8 * seed) for name in ("hae", "grpo") for seed in (0, 1))
    study = Study(
        "bazel run x",
        "2026-01-02",
        "On a Sunday.",
        {"short": {"a.b": 3}},
        {"short": Score(50, 200, 12.0, 1.5)},
        outcomes,
    )
    paths = write(study, tmp_path / "results")
    assert [path.name for path in paths] == ["nano.md", "nano.svg", "nano.json"]
    page = paths[0].read_text()
    assert "wins 25.0 % [19.5, 31.4] of 200 held-out games" in page
    assert "| HAE | 0 | 32 | 37.5 % | 90.0 % [85.1, 93.4] | 8.2 | 2.0 | 1.5 |" in page
    assert "**GRPO, 2 seeds** | | | **37.5 ± 0.0 %** | **92.0 ± 25.4 %**" in page
    assert "`a.b = 3`" in page
    assert page.rstrip().endswith("On a Sunday.")
    assert "{" not in page
    assert len(json.loads(paths[2].read_text())["outcomes"]) == 4
    first = paths[1].read_bytes()
    write(study, tmp_path / "again")
    assert (tmp_path / "again" / "nano.svg").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--out"),
        (["--out", "x", "--horizons", "tiny,endless"], "endless: accepted are tiny, short"),
        (["--out", "x", "--estimators", "ppo"], "ppo: accepted are hae, gae, grpo"),
        (["--out", "x", "--seeds", "a"], "seeds"),
        (["--out", "x", "--learner.updats", "3"], "learner.updates"),
    ],
)
def test_bad_options_are_named(arguments: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        run(arguments)
