"""The tables and files of an evaluation, and the names of its results."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from configuration.files import to_toml
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.role import Role
from orchestrator.evaluation.display import comparison_table, outcome_table, subgoal_table
from orchestrator.evaluation.files import EpisodeLog, identity, write_json
from orchestrator.evaluation.games import Outcome, Played, outcomes
from orchestrator.evaluation.request import read
from run_folder.adapters import AdapterChoice, found

ONE = Played("a", "heat", 0, 1, True, 1.0, False, 4, 4, 3, ("x", "y"), 1.0)
LOST = replace(ONE, won=False, score=0.0, truncated=True, turns=6, valid_plans=3, valid_actions=6)
PLAYED = st.builds(
    Played,
    task_id=st.text(max_size=5),
    task_type=st.text(max_size=5),
    sample=st.integers(0, 9),
    seed=st.integers(0, 2**64),
    won=st.booleans(),
    score=st.floats(0, 1),
    truncated=st.booleans(),
    turns=st.integers(1, 50),
    valid_plans=st.integers(0, 50),
    valid_actions=st.integers(0, 50),
    subgoals=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    seconds=st.floats(0, 1e6),
)


def text(table: Table) -> list[list[str]]:
    """The words of each line of a table."""
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return [line.split() for line in console.export_text().splitlines() if line.strip()]


def test_a_row_of_results_says_everything_of_a_type() -> None:
    lines = text(outcome_table("valid", outcomes([ONE, ONE, ONE, LOST])))
    # 3 of 4: Wilson's interval is (0.75 + 0.4802) / 1.9604 ± 0.3271.
    row = "heat 4 3 75.0 % [30.1, 95.4] 0.750 [0.301, 0.954] 4.5 2.0 83.3% 83.3%"
    assert row.split() in lines
    assert ["all", *row.split()[1:]] in lines


def test_marks_in_names_are_shown_as_they_are() -> None:
    odd = replace(ONE, task_type="[bold]heat")
    assert ["[bold]heat"] in [line[:1] for line in text(outcome_table("[red]t", outcomes([odd])))]
    assert ["[red]t"] in [line[:1] for line in text(outcome_table("[red]t", outcomes([odd])))]
    assert ["2", "[red]find", "it"] in text(subgoal_table([("[red]find it", 2)]))
    rows = text(comparison_table([("[b]v3", "[i]valid", Outcome.of([ONE, LOST]))]))
    assert ["[b]v3", "[i]valid", "1/2"] in [line[:3] for line in rows]


def test_a_comparison_has_a_row_for_each_pair_and_split() -> None:
    rows = text(
        comparison_table([("v3", "seen", Outcome.of([ONE])), ("base", "unseen", Outcome.of([LOST, LOST]))])
    )
    lines = [" ".join(row) for row in rows]
    assert "v3 seen 1/1 100.0 % [20.7, 100.0] 1.000 [0.207, 1.000] 4.0" in lines
    assert "base unseen 0/2 0.0 % [0.0, 65.8] 0.000 [0.000, 0.658] 6.0" in lines


@settings(deadline=None, max_examples=40)
@given(st.lists(PLAYED, max_size=4), st.integers(0, 200))
def test_a_log_cut_off_anywhere_keeps_every_whole_episode(
    tmp_path_factory: pytest.TempPathFactory, played: list[Played], lost: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.unlink(missing_ok=True)
    log = EpisodeLog(path, {"split": "a"})
    for one in played:
        log.keep(one)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    kept = whole[: max(first, len(whole) - lost)]
    path.write_bytes(kept)
    # A line without its line break is whole too.
    lines = [line for line in kept[first:].split(b"\n") if line.endswith(b"}")]
    again = EpisodeLog(path, {"split": "a"})
    assert again.episodes == played[: len(lines)]
    again.keep(ONE)
    assert EpisodeLog(path, {"split": "a"}).episodes == [*again.episodes, ONE]


def test_an_identity_names_adapters_split_seed_and_what_episodes_depend_on() -> None:
    configuration = Configuration.model_validate({"run": {"seed": 5}, "planner": {"history": 7}})
    known = identity(configuration, AdapterChoice("base"), "valid")
    assert (known["format"], known["split"], known["run.seed"], known["planner.history"]) == (
        1,
        "valid",
        5,
        "7",
    )
    assert not [name for name in known if name.startswith(("learner.", "ppo.", "orchestrator."))]
    assert "planner.address" not in known and "planner.threads" not in known


def test_a_difference_in_the_adapters_is_named(tmp_path: Path) -> None:
    evaluated: dict[str, Any] = {"split": "a", "adapter of the planner": "1" * 8}
    EpisodeLog(tmp_path / "log", evaluated)
    with pytest.raises(
        ConfigurationError, match="adapter of the planner was 11111111, not None; split was a"
    ):
        EpisodeLog(tmp_path / "log", {"split": "b"})


def test_a_json_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", {"a": 1})
    write_json(tmp_path / "out.json", {"b": "é"})
    assert json.loads((tmp_path / "out.json").read_text()) == {"b": "é"}
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with the versions 0 and 1, and a pair beside it."""
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    roots = [tmp_path / "run" / "adapters" / role.value / v for role in Role for v in ("0", "1")]
    for folder in (*roots, *(tmp_path / pair / role.value for pair in ("one", "two") for role in Role)):
        folder.mkdir(parents=True)
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(b"")
    generated = {"environment": {"source": "generated", "generator": {"games": 6}}, "run": {"seed": 4}}
    (tmp_path / "run" / "configuration.toml").write_text(to_toml(Configuration.model_validate(generated)))
    return tmp_path / "run"


def test_by_default_every_split_but_that_of_training_is_played(run: Path) -> None:
    request = read(["--checkpoint", "run"])
    assert request.configuration.run.seed == 4
    assert [job.split for job in request.jobs] == ["valid_seen", "valid_unseen"]
    assert [job.out for job in request.jobs] == [
        run / "evaluation" / f"{split}-v1.json" for split in ("valid_seen", "valid_unseen")
    ]


def test_several_pairs_have_a_file_each_and_equal_labels_are_numbered(run: Path) -> None:
    request = read(["--checkpoint", "run/checkpoints/0, one,two,base", "--split", "valid_seen"])
    assert [job.out.name for job in request.jobs] == [
        "valid_seen-v0.json",
        "valid_seen-adapters.json",
        "valid_seen-adapters-2.json",
        "valid_seen-base.json",
    ]


def test_out_names_the_only_result_or_begins_the_names_of_several(run: Path) -> None:
    one = read(["--checkpoint", "base", "--run-dir", "run", "--split", "valid_seen", "--out", "o.json"])
    assert [job.out for job in one.jobs] == [run.parent / "o.json"]
    assert one.folder == run / "evaluation" / "o"
    several = read(["--checkpoint", "base,run", "--split", "valid_seen", "--out", "o"])
    assert [job.out.name for job in several.jobs] == ["o-valid_seen-base.json", "o-valid_seen-v1.json"]


def test_the_warm_start_of_a_run_is_its_version_0(run: Path) -> None:
    (job,) = read(["--checkpoint", "warm-start", "--run-dir", "run", "--split", "valid_seen"]).jobs
    assert job.adapters == replace(found(run, 0), label="warm-start")
