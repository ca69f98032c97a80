"""Whole runs of a tiny model on several environments at once, on games of TextArena, and on verifiers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.processes import SMALL, episodes, run
from tests.end_to_end.tiny import tiny_model
from tests.extras import need


def trained(tmp_path: Path, *options: str) -> tuple[Path, str]:
    """The folder and the output of a run with two updates."""
    root = tmp_path / "run"
    code, output = run(
        "orchestrator.rollout",
        *SMALL,
        *options,
        f"--model={tiny_model(tmp_path / 'model')}",
        "--planner.context_length=4096",
        "--executor.context_length=4096",
        "--learner.updates=2",
        "--learner.episodes_per_update=4",
        f"--run-dir={root}",
    )
    assert code == 0, output
    return root, output


def test_a_mix_keeps_its_shares_in_each_update_and_is_measured_by_environment(tmp_path: Path) -> None:
    root, output = trained(
        tmp_path,
        "--environment.mix=alfworld=3,webshop=1",
        "--environment.step_limits=webshop=1",
        "--environment.generator.products=20",
    )
    assert "success by environment in the last update: alfworld 0%, webshop 0%" in output
    lines = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    assert [line["episode/count/alfworld"] for line in lines] == [3, 3]
    assert [line["episode/count/webshop"] for line in lines] == [1, 1]
    played = episodes(root)
    assert all(one.key.task_id.startswith(f"{one.benchmark}/") for one in played.values())
    lengths = {(one.benchmark, len(one.turns)) for one in played.values()}
    assert lengths == {("alfworld", 2), ("webshop", 1)}, "each has its own step limit"
    assert "webshop" in (root / "report.html").read_text().partition("Environments</h2>")[2]

    code, output = run("orchestrator.evaluate", f"--checkpoint={root}", "--split=train", "--games=3")
    assert code == 0, output
    assert "all of alfworld" in output and "all of webshop" in output
    result = json.loads((root / "evaluation" / "train-v2.json").read_text())["results"]
    parts = [result[f"all of {name}"]["episodes"] for name in ("alfworld", "webshop")]
    assert (parts, result["all"]["episodes"]) == ([3, 3], 6)


def test_games_of_textarena_with_and_without_listed_actions_are_trained_on(tmp_path: Path) -> None:
    need("textarena", "textarena")
    games = ("textarena:FrozenLake-v0", "textarena:GuessTheNumber-v0")
    root, _ = trained(tmp_path, f"--environment.mix={games[0]}=1,{games[1]}=1")
    played = episodes(root)
    assert sorted(played) == list(range(8))
    for update in range(2):
        own = [played[number].benchmark for number in range(4 * update, 4 * update + 4)]
        assert sorted(own) == sorted(2 * games)
    lines = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    assert [line["episode/count"] for line in lines] == [4, 4]


def test_an_environment_of_verifiers_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("verifiers", "verifiers")
    folder = Path(__file__).resolve().parents[2] / "docs" / "verifiers_environment"
    monkeypatch.setenv("HIPER_PATH", str(folder))
    root, _ = trained(tmp_path, "--environment.name=verifiers:combination_lock")
    played = episodes(root)
    assert sorted(played) == list(range(8))
    assert {one.task_type for one in played.values()} == {"combination_lock"}
    lines = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    assert [line["episode/count"] for line in lines] == [4, 4]
    assert not any(line["episode/set_aside"] for line in lines)
