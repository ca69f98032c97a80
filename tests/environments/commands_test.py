"""The commands, as a person types them."""

from __future__ import annotations

import io
import json
import lzma
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from configuration.command import main, parse
from configuration.environment import EnvironmentSettings
from configuration.files import to_toml
from configuration.keys import keys, value_of
from configuration.syntax import Syntax
from configuration.tree import Configuration
from environments import conformance, differential, doctor, evaluate, generate, play
from environments.alfworld import count_placements
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.sources import open_source
from environments.command import SHORT_NAMES
from environments.webshop import baselines, fit_likelihood, nouns

Main = Callable[[Sequence[str]], int]
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """Runs a command's main; its exit code, output and error output."""
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA", "BUILD_WORKING_DIRECTORY", "HIPER_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "checkout"))

    def run(run_main: Main, *words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main(run_main)
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
    assert code == 2 and error.startswith("error: environment.generator.clutter = '3': ")
    code, _, error = typed(generate.main)
    assert code == 2 and "--out DIR" in error


def test_conformance_counts_and_shows_the_first_difference(typed: Typed, games: Path) -> None:
    good = record(games)
    code, out, _ = typed(conformance.main, "alfworld", good, "--data", games)
    assert code == 0 and re.fullmatch(r"\d+ steps, 0 differences\n", out)
    bad = record(games, lambda step: step.update(observation="You see a ghost."))
    code, out, _ = typed(conformance.main, "alfworld", bad, "--data", games)
    assert code == 1 and "step 2" in out and "ghost" in out
    assert re.fullmatch(r"\d+ steps, 1 differences", out.splitlines()[-1])


@pytest.mark.parametrize("wrong", [{"won": True}, {"admissible": ["look"]}])
def test_conformance_notices_every_field(typed: Typed, games: Path, wrong: dict[str, Any]) -> None:
    bad = record(games, lambda step: step.update(wrong))
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


WORDS: dict[str, tuple[str, ...]] = {
    "conformance": ("alfworld", "FILE"),
    "evaluate": ("alfworld",),
    "play": ("alfworld",),
    "nouns": ("FILE",),
}
"""Plain arguments that a command needs."""
SYNTAXES: tuple[Syntax, ...] = tuple(
    module.SYNTAX
    for module in (
        baselines,
        conformance,
        count_placements,
        differential,
        doctor,
        evaluate,
        fit_likelihood,
        generate,
        nouns,
        play,
    )
)
VALUES = {
    "name": "webshop",
    "mix": "alfworld=3,webshop=1",
    "data": "/data",
    "source": "generated",
    "backend": "textworld",
    "task_types": "pick_and_place_simple,look_at_obj_in_light",
    "step_limit": "7",
    "step_limits": "alfworld=50",
    "seed": "11",
    "compat": "hiper",
    "show_options": "false",
    "generator.games": "3",
    "generator.task_types": "pick_and_place_simple",
    "generator.horizon": "tiny",
    "generator.clutter": "0.25",
    "generator.products": "12",
}
"""Another value than the default, for each key of the section."""


NEEDED = {"step_limits": ("--environment.mix", VALUES["mix"])}
"""Options without which a value is refused."""


def test_the_values_above_are_of_all_keys_and_differ_from_the_defaults() -> None:
    assert [key.name for key in keys(EnvironmentSettings)] == list(VALUES)
    assert {name: (f"environment.{name}",) for name in VALUES} == SHORT_NAMES


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.program)
def test_every_command_takes_every_key_of_the_section_under_both_names(syntax: Syntax) -> None:
    words = WORDS.get(syntax.program, ())
    for name, text in VALUES.items():
        bound = {argument.key for argument in syntax.arguments}
        rest = [*NEEDED.get(name, ()), *(words[1:] if f"environment.{name}" in bound else words)]
        full = parse([*rest, f"--environment.{name}", text], syntax)
        value = value_of(full.configuration.environment, name)
        assert value != value_of(EnvironmentSettings(), name)
        if syntax.short_names.get(name) == (f"environment.{name}",):
            assert parse([*rest, f"--{name}={text}"], syntax).configuration == full.configuration
        else:
            assert (syntax.program, name) in {("generate", "task_types")}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.program)
def test_help_prints_every_key_of_the_section(syntax: Syntax, typed: Typed) -> None:
    code, out, _ = typed(lambda argv: bool(parse(argv, syntax)), "--help")
    assert code == 0 and out.startswith(f"usage: {syntax.program} ")
    assert all(f"--environment.{name} " in out for name in VALUES)


def test_the_configuration_of_a_run_is_read_for_its_environment(typed: Typed, tmp_path: Path) -> None:
    tiny = Configuration.model_validate(
        {
            "learner": {"updates": 9},
            "environment": {"source": "generated", "generator": {"games": 6, "horizon": "tiny"}},
        }
    )
    (tmp_path / "run.toml").write_text(to_toml(tiny))
    words = ("--config", tmp_path / "run.toml", "--policy", "expert")
    code, out, error = typed(evaluate.main, "alfworld", *words)
    assert code == 0, error
    assert re.search(r"all +6 +6 +100\.0 %", out)
    (tmp_path / "run.toml").write_text("[environmnt]\nseed = 1\n")
    code, _, error = typed(evaluate.main, "alfworld", *words)
    assert code == 2 and "unknown key environmnt" in error


@pytest.mark.parametrize(
    ("run_main", "words", "message"),
    [
        (
            evaluate.main,
            (),
            "BENCHMARK is missing: alfworld, webshop, or package.module:function. usage: evaluate BENCHMARK",
        ),
        (evaluate.main, ("alfworld", "train"), "unexpected argument 'train'"),
        (evaluate.main, ("alfworld", "--polcy", "rule"), "unknown option --polcy. Did you mean --policy?"),
        (evaluate.main, ("alfworld", "--step-limt", "3"), "Did you mean --step_limit?"),
        (evaluate.main, ("alfworld", "--environment.horizon", "tiny"), "Did you mean --"),
        (evaluate.main, ("alfworld", "--source", "found"), "environment.source = 'found'"),
        (conformance.main, ("alfworld",), "FILE is missing"),
        (conformance.main, ("alfwrld", "FILE"), "Did you mean alfworld"),
        (generate.main, ("--task-types", "look_at_obj_in_light", "pick_two_obj"), "commas between"),
        (differential.main, ("--games", "none"), "games"),
        (differential.main, ("--source", "real"), "--data or ALFWORLD_DATA"),
        (count_placements.main, (), "--data or ALFWORLD_DATA"),
        (fit_likelihood.main, (), "--data or WEBSHOP_DATA"),
    ],
)
def test_a_mistake_is_named_with_what_to_write(
    typed: Typed, run_main: Main, words: tuple[str, ...], message: str
) -> None:
    code, _, error = typed(run_main, *words)
    assert code == 2 and error.startswith("error: ") and message in error


def test_the_options_of_before_still_generate(typed: Typed, tmp_path: Path) -> None:
    words = ("--games", 2, "--horizon", "short", "--clutter", 0, "--seed", 1)
    few = ("--task-types", "look_at_obj_in_light")
    code, out, error = typed(generate.main, "--out", tmp_path / "few", *words, *few)
    assert code == 0 and out.startswith("6 games"), error
    assert all(path.name.startswith("look_at_obj") for path in (tmp_path / "few").glob("*/*"))


def test_doctor_looks_where_it_is_told(typed: Typed, games: Path, tmp_path: Path) -> None:
    _, out, _ = typed(doctor.main, "--data", games)
    assert f"in {games}\n" in out and "train: 6 games of 3553" in out
    _, out, _ = typed(doctor.main, "--name=webshop", "--data", tmp_path / "nowhere")
    assert "nowhere" in out
