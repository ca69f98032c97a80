"""Exported turns, read back."""

from __future__ import annotations

import json
import shlex
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import DatasetCard

from core.errors import ConfigurationError, NotFoundError, PreconditionError
from core.exit_codes import FAILED
from core.shown import INSTALLED
from orchestrator import exporting
from orchestrator.export import export
from orchestrator.exporting import chunks, json_lines
from orchestrator.exporting.schema import COLUMNS, LISTS, SCHEMA_VERSION
from run_folder.folder import RunFolder
from tests.extras import need
from tests.orchestrator.exporting.run import CREDIT, SEED, episode, made_run

NAMES = [each.name for each in COLUMNS]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "run")


def json_rows(run: Path) -> list[dict[str, Any]]:
    assert export([str(run), "--to=jsonl"]) == 0
    text = (run / "export/jsonl/turns.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def parquet_rows(run: Path) -> list[dict[str, Any]]:
    need("pyarrow", "export")
    from pyarrow.parquet import read_table

    assert export([str(run), "--to=parquet"]) == 0
    rows: list[dict[str, Any]] = read_table(run / "export/parquet/turns-00000.parquet").to_pylist()
    return rows


def data_set_rows(run: Path) -> list[dict[str, Any]]:
    """As `datasets` reads the folder: the files that the card names."""
    need("pyarrow", "export")
    from pyarrow import dataset

    assert export([str(run), "--to=hf"]) == 0
    folder = run / "export/hf"
    (split,) = DatasetCard.load(folder / "README.md").data.configs[0]["data_files"]
    assert split["split"] == "train"
    rows: list[dict[str, Any]] = dataset.dataset(list(folder.glob(split["path"]))).to_table().to_pylist()
    return rows


@pytest.mark.parametrize("rows_of", [json_rows, parquet_rows, data_set_rows])
def test_all_that_training_needs_comes_back(run: Path, rows_of: Callable[[Path], Any]) -> None:
    rows = rows_of(run)
    assert [(row["episode"], row["turn"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for row in rows:
        stored = episode(row["episode"]).turns[row["turn"]]
        assert sorted(row) == sorted(NAMES)
        assert (row["schema_version"], row["seed"]) == (SCHEMA_VERSION, SEED)
        assert row["goal"] == 'put a "mug"\nin the café'
        for role, answer in (("planner", stored.plan.generation), ("executor", stored.act.generation)):
            assert row[f"{role}_prompt_ids"] == list(answer.prompt_ids)
            assert row[f"{role}_token_ids"] == list(answer.token_ids)
            assert row[f"{role}_logprobs"] == pytest.approx(answer.logprobs)
            assert row[f"{role}_adapter_version"] == answer.adapter_version
            assert row[f"{role}_adapter_sha256"] is None
        assert (row["decision"], row["subgoal"]) == (stored.plan.decision.value, stored.plan.subgoal)
        assert row["action"] == stored.act.action
        assert row["reward"] == pytest.approx(stored.reward)
    first, second, *others = rows
    assert (first["planner_decision_mask"], first["planner_subgoal_mask"]) == ([1, 0, 0], [0, 1, 1])
    assert (second["planner_decision_mask"], second["planner_subgoal_mask"]) == ([1], [0])
    assert second["executor_action_mask"] == [1, 1]
    for row, credit in zip((first, second), CREDIT, strict=True):
        for level in ("low", "high", "switch"):
            assert (row[f"advantage_{level}"], row[f"value_{level}"]) == credit.of(level)
        assert row["set_aside"] is None
    assert all(row["advantage_low"] is None and row["value_switch"] is None for row in others)
    assert all(row["set_aside"] == "its version was given up" for row in others)
    assert (first["last"], first["final_observation"]) == (False, None)
    assert first["final_planner_prompt_ids"] is None and first["final_executor_prompt_ids"] is None
    assert (second["last"], second["final_observation"]) == (True, "seen 1")
    assert (second["final_planner_prompt_ids"], second["final_executor_prompt_ids"]) == ([7, 8], [9])


def test_log_probabilities_keep_every_bit_of_float32(run: Path) -> None:
    exact = [float(np.float32(number)) for number in (-0.1, -1e-7, -17.123456789, -3.4e-20)]
    with closing(sqlite3.connect(RunFolder(run).episodes)) as db, db:
        from hiper.v1 import episode_pb2

        (row,) = db.execute("SELECT message FROM episodes WHERE number = 0")
        message = episode_pb2.Episode.FromString(row[0])
        message.turns[0].act.logprobs[:] = exact
        db.execute("UPDATE episodes SET message = ? WHERE number = 0", (message.SerializeToString(),))
    written = json_rows(run)[0]["executor_logprobs"]
    assert [float(np.float32(number)) for number in written] == exact


def test_types_are_those_of_the_schema(run: Path) -> None:
    need("pyarrow", "export")
    from pyarrow.parquet import read_schema

    parquet_rows(run)
    schema = read_schema(run / "export/parquet/turns-00000.parquet")
    assert schema.names == NAMES
    assert schema.metadata[b"hiper_schema_version"] == str(SCHEMA_VERSION).encode()
    assert {each.name for each in schema if str(each.type).startswith("list")} == {
        each.name for each in COLUMNS if each.kind in LISTS
    }
    assert {each.name for each in schema if each.nullable} == {each.name for each in COLUMNS if each.optional}


def test_the_card_names_each_column_and_the_run(run: Path) -> None:
    need("pyarrow", "export")
    data_set_rows(run)
    card = DatasetCard.load(run / "export/hf/README.md")
    assert card.data.pretty_name == "Turns of run run-7"
    assert "4 turns of 2 episodes of alfworld" in card.text
    assert all(f"| `{name}` | " in card.text for name in NAMES)


def test_a_run_without_episodes_gives_a_file_without_rows(run: Path) -> None:
    with closing(sqlite3.connect(RunFolder(run).episodes)) as db, db:
        db.execute("DELETE FROM episodes")
    assert json_rows(run) == []
    assert parquet_rows(run) == []


def test_a_damaged_episode_is_left_out_and_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(RunFolder(run).episodes)) as db, db:
        db.execute("UPDATE episodes SET message = x'ff' WHERE number = 0")
    assert export([str(run), "--to=jsonl"]) == FAILED
    output = capsys.readouterr().out
    assert "left out episode 0: episode 0 in " in output and "2 turns of 1 episodes: " in output
    lines = (run / "export/jsonl/turns.jsonl").read_text().splitlines()
    assert [json.loads(line)["episode"] for line in lines] == [1, 1]


def test_several_processes_write_the_same(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_EPISODES", 1)
    path = RunFolder(run).episodes
    alone = list(chunks.chunks(path, [0, 1], json_lines.encode, processes=1))
    assert list(chunks.chunks(path, [0, 1], json_lines.encode, processes=2)) == alone
    assert [chunk.turns for chunk in alone] == [2, 2]


def test_without_pyarrow_the_command_that_installs_it_is_named(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "orchestrator.exporting.parquet", raising=False)
    monkeypatch.delattr(exporting, "parquet", raising=False)
    options = [str(run), "--to", "parquet"]
    command = f"HIPER_EXTRAS=export ./bazelw run //orchestrator:export -- {shlex.join(options)}"
    with pytest.raises(PreconditionError, match=command):
        export(options)
    monkeypatch.setenv(INSTALLED, "1")
    with pytest.raises(PreconditionError, match=r"pip install '\.\[export\]' in the checkout installs it"):
        export(options)
    assert not (run / "export").exists()


def test_nothing_is_overwritten(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("")
    with pytest.raises(ConfigurationError, match="mine is not empty"):
        export([str(run), "--to=jsonl", f"--out={tmp_path / 'mine'}"])
    with pytest.raises(ConfigurationError, match="file is a file"):
        export([str(run), "--to=jsonl", f"--out={tmp_path / 'mine/file'}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--to is needed: jsonl, parquet, hf or hub"),
        (["--to=csv"], "--to = 'csv': accepted is jsonl, parquet, hf or hub"),
        (["--to=jsonl", "--version=1"], "--version chooses the adapters of --to hub"),
    ],
)
def test_wrong_options_are_refused(run: Path, options: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        export([str(run), *options])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not the folder of a run"):
        export([str(tmp_path), "--to=jsonl"])
