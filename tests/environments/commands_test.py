"""The commands, as a person types them."""

from __future__ import annotations

import io
import json
import lzma
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from environments import command, conformance, differential, doctor, evaluate, generate, play
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.sources import open_source

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """Runs a command's main; its exit code, output and error output."""
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA", "BUILD_WORKING_DIRECTORY", "HIPER_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "checkout"))

    def run(main: Callable[[], int], *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            command.end(main)
        return (int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def games(typed: Typed, tmp_path: Path) -> Path:
    code, out, _ = typed(generate.main, "--out", tmp_path / "games", "--games", 6, "--seed", 5)
    assert (code, out) == (0, f"18 games written to {tmp_path / 'games'}\n")
    return tmp_path / "games"


def record(games: Path, change: Callable[[dict[str, object]], object] = lambda _: None) -> Path:
    """A recording of one game in the format of the stored ones; `change` may spoil its second step."""
    benchmark = AlfworldBenchmark(open_source(games))
    task = benchmark.tasks("train")[0]
    environment = benchmark.environment()
    observation, info = environment.reset(options={"task": task.id})
    reset = {"observation": observation, "admissible": list(info["admissible_actions"])}
    steps: list[dict[str, object]] = []
    for step in benchmark.demonstration(task):
        observation, _, won, _, info = environment.step(step.action)
        admissible = list(info["admissible_actions"])
        steps.append(
            {"action": step.action, "observation": observation, "admissible": admissible, "won": won}
        )
    change(steps[1])
    file = games.parent / "recording.jsonl.xz"
    file.write_bytes(lzma.compress(json.dumps({"game": task.id, "reset": reset, "steps": steps}).encode()))
    return file


def test_generate_writes_a_tree_and_never_over_anything(typed: Typed, games: Path) -> None:
    assert len(list(games.glob("*/*/*/game.tw-pddl"))) == len(list(games.glob("*/*/*/traj_data.json"))) == 18
    code, _, error = typed(generate.main, "--out", games)
    assert code == 2 and "not empty" in error
    code, _, error = typed(generate.main, "--out", games / "new", "--clutter", 3)
    assert code == 2 and error.startswith("error: clutter: ")


def test_conformance_counts_and_shows_the_first_difference(typed: Typed, games: Path) -> None:
    good = record(games)
    code, out, _ = typed(conformance.main, "alfworld", good, "--data", games)
    assert code == 0 and re.fullmatch(r"\d+ steps, 0 differences\n", out)
    bad = record(games, lambda step: step.update(observation="You see a ghost."))
    code, out, _ = typed(conformance.main, "alfworld", bad, "--data", games)
    assert code == 1 and "step 2" in out and "ghost" in out
    assert re.fullmatch(r"\d+ steps, 1 differences", out.splitlines()[-1])


def test_conformance_notices_every_field(typed: Typed, games: Path) -> None:
    for field, value in (("won", True), ("admissible", ["look"])):
        bad = record(games, lambda step, field=field, value=value: step.update({field: value}))
        assert typed(conformance.main, "alfworld", bad, "--data", games)[0] == 1


def test_conformance_refuses_what_is_no_recording(typed: Typed, games: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl.xz"
    broken.write_bytes(record(games).read_bytes()[:100])
    code, _, error = typed(conformance.main, "alfworld", broken, "--data", games)
    assert code == 2 and "not a readable recording" in error
    broken.write_bytes(lzma.compress(b'{"game": 3}\n'))
    code, _, error = typed(conformance.main, "alfworld", broken, "--data", games)
    assert code == 2 and "3" in error
    code, _, error = typed(conformance.main, "alfworld", record(games))
    assert code == 2 and "ALFWORLD_DATA" in error
    assert typed(conformance.main, "alfworld", tmp_path / "nowhere")[0] == 2


def test_evaluate_prints_every_type_with_its_interval(typed: Typed) -> None:
    words = ("alfworld", "--policy", "expert", "--split", "valid_unseen", "--generator.games", 12)
    code, out, _ = typed(evaluate.main, *words)
    assert code == 0 and out.count("100.0 % [34.2, 100.0]") == 6
    assert re.search(r"all +12 +12 +100\.0 % \[75\.8, 100\.0\]", out)


def test_evaluate_prints_webshops_ceiling_and_baselines(typed: Typed) -> None:
    words = ("webshop", "--policy", "random", "--generator.products", 40, "--source", "generated")
    code, out, error = typed(evaluate.main, *words)
    assert code == 0, error
    table, _, reference = out.partition("\n  all ")
    assert len(reference.strip().splitlines()) > 1 and "[" in table


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("alfwrld",), "Did you mean alfworld"),
        (("alfworld", "--split", "test"), "Accepted: train, valid_seen, valid_unseen"),
        (("alfworld", "--policy", "human"), "Accepted: adviser, expert, random, rule"),
        (("alfworld", "--source", "real"), "ALFWORLD_DATA"),
        (("alfworld", "--data", "/no/such/folder"), "no such file or folder"),
        (("alfworld", "--step_limit", "0"), "step_limit"),
    ],
)
def test_evaluate_refuses_what_it_cannot_do(typed: Typed, words: tuple[str, ...], message: str) -> None:
    code, _, error = typed(evaluate.main, *words)
    assert code == 2 and error.startswith("error: ") and message in error


def test_a_person_plays_by_text_and_by_number(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("?\n1\ninventory\nfly\nquit\n"))
    code, out, _ = typed(play.main, "alfworld", "--seed", 2)
    assert code == 0
    assert "  1  go to" in out and "You arrive at" in out
    assert (
        "You are not carrying anything." in out and "Nothing happens." in out and out.endswith("Not won.\n")
    )


def test_a_person_can_win_a_named_task(typed: Typed, games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = AlfworldBenchmark(open_source(games))
    task = benchmark.tasks("valid_unseen")[3]
    typing = "".join(f"{step.action}\n" for step in benchmark.demonstration(task))
    monkeypatch.setattr(sys, "stdin", io.StringIO(typing))
    code, out, _ = typed(play.main, "alfworld", "--data", games, "--task", task.id)
    assert code == 0 and "reward 1" in out and out.endswith("You won.\n")


def test_the_end_of_the_input_ends_the_game(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert typed(play.main, "webshop", "--source", "generated")[0] == 0


def test_doctor_says_what_is_missing_and_how_to_get_it(typed: Typed) -> None:
    code, out, _ = typed(doctor.main)
    assert code == 0 and "alfworld-download" in out and "sha256 30a4765c" in out and "4,467,013 bytes" in out


def test_doctor_counts_what_is_there(typed: Typed, games: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(games))
    _, out, _ = typed(doctor.main)
    assert "train: 6 games of 3553" in out


def test_differential_compares_with_the_stock_engine(typed: Typed) -> None:
    code, out, error = typed(differential.main, "--games", 1, "--steps", 3, "--generated")
    assert code == 0, error
    assert re.fullmatch(r"[1-3] steps in 1 games, 0 differences", out.splitlines()[-1])
