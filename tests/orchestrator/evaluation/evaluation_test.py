"""What an evaluation plays, keeps and counts, and which adapters it takes."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from configuration.files import to_toml
from configuration.tree import Configuration
from core.errors import ConfigurationError, HiperError, UnavailableError
from core.exit_codes import REFUSED, of_error
from core.role import Role
from environments import registry
from environments.benchmark import Task
from environments.errors import UnknownTaskTypeError
from orchestrator.evaluate import evaluate
from orchestrator.evaluation.display import EvaluationProgress, outcome_table
from orchestrator.evaluation.files import EpisodeLog, identity
from orchestrator.evaluation.games import Broken, Games, Played, chosen_tasks, outcomes, recurring_subgoals
from orchestrator.evaluation.request import read as read_request
from play.broken import TooManyBrokenError
from play.schedule import task_for
from run_folder.adapters import AdapterChoice, found
from tests.play.answers import act, keep, switch
from trajectory.episode import Episode, EpisodeKey
from trajectory.lease import Finished as NoMore
from trajectory.lease import Lease
from trajectory.machine import Assignment, Finished, Planning, StepOutcome, begin

TASKS = tuple(Task(f"task-{number}", ("heat", "look")[number % 2], "valid_seen") for number in range(7))


def played_episode(lease: Lease, task: Task, won: bool = True) -> Episode:
    """Three turns, two segments; the last action cannot be parsed."""
    key = EpisodeKey(lease.run_id, task.id, lease.seed, 0)
    state: Planning | Finished = begin(
        Assignment(key, lease.number, lease.group, lease.lease_id, "alfworld", task.type, 2), "goal", "room"
    )
    turns = (
        (switch("find a mug"), act("look")),
        (keep("find a mug"), act("take mug 1")),
        (switch("put it down"), act("dance", valid=False)),
    )
    for place, (plan, action) in enumerate(turns):
        assert isinstance(state, Planning)
        last = place == 2
        outcome = StepOutcome("seen", float(won and last), won and last, last and not won, won, won, 0.1)
        state = state.planned(plan).acted(action).stepped(outcome, 1.0)
    assert isinstance(state, Finished)
    return state.episode(3.0)


def play(games: Games, seed: int = 3, most: int = 10**6) -> list[tuple[str, int]]:
    """Task and seed of each lease, all of them won."""

    async def work() -> list[tuple[str, int]]:
        leased = []
        while len(leased) < most and not isinstance(lease := await games.lease(), NoMore):
            assert isinstance(lease, Lease)
            task = task_for(TASKS, lease.task_seed, lease.group)
            leased.append((task.id, lease.seed))
            await games.submit(played_episode(lease, task))
        return leased

    return asyncio.run(work())


def test_every_task_is_played_as_often_as_asked_with_a_seed_of_its_own() -> None:
    games = Games(TASKS, 2, 3, (), lambda _: None)
    leased = play(games)
    assert games.left == len(leased) == 14
    assert sorted(task for task, _ in leased) == sorted(2 * [task.id for task in TASKS])
    assert len({seed for _, seed in leased}) == 14
    assert [(one.task_id, one.sample) for one in games.played] == [
        (task.id, sample) for task in TASKS for sample in (0, 1)
    ]


def test_an_interrupted_evaluation_plays_what_is_left_with_the_seeds_it_would_have_had() -> None:
    kept: list[Played] = []
    play(Games(TASKS, 1, 3, (), kept.append), most=4)
    rest = Games(TASKS, 1, 3, kept, kept.append)
    assert rest.left == 3
    play(rest)
    whole = Games(TASKS, 1, 3, (), lambda _: None)
    play(whole)
    assert rest.played == whole.played
    assert len(kept) == 7


def test_a_broken_episode_is_named_and_not_counted_and_two_of_fourteen_are_too_many() -> None:
    async def first_two_break(games: Games) -> None:
        for number in range(14):
            lease = await games.lease()
            assert isinstance(lease, Lease)
            if number in (0, 7):
                await games.set_aside(lease, f"turn {number}: a bug")
            else:
                await games.submit(played_episode(lease, task_for(TASKS, lease.task_seed, lease.group)))

    games = Games(TASKS, 2, 3, (), lambda _: None)
    with pytest.raises(
        TooManyBrokenError, match="2 of the 14 episodes of the evaluation.*turn 0: a bug; turn"
    ):
        asyncio.run(first_two_break(games))
    assert games.broken == [
        Broken(task_for(TASKS, 3, number).id, sample, f"turn {number}: a bug")
        for number, sample in ((0, 0), (7, 1))
    ]
    assert len(games.played) == 6
    again = Games(TASKS, 2, 3, games.played, lambda _: None)
    assert again.left == 8, "they are tried again"


def test_what_is_kept_of_an_episode() -> None:
    games = Games(TASKS[:1], 1, 3, (), lambda _: None)
    lease = asyncio.run(games.lease())
    assert isinstance(lease, Lease)
    assert Played.of(played_episode(lease, TASKS[0], won=False), sample=5) == Played(
        task_id="task-0",
        task_type="heat",
        sample=5,
        seed=lease.seed,
        won=False,
        score=0.0,
        truncated=True,
        turns=3,
        valid_plans=3,
        valid_actions=2,
        subgoals=("find a mug", "put it down"),
        seconds=3.0,
        environment="alfworld",
    )


ONE = Played("a", "heat", 0, 1, True, 1.0, False, 4, 4, 3, ("x", "y"), 1.0)


def test_outcomes_by_task_type_and_in_all() -> None:
    lost = replace(ONE, task_type="cool", won=False, score=0.5, truncated=True, turns=6, subgoals=("x",))
    by_type = outcomes([ONE, ONE, lost])
    assert list(by_type) == ["cool", "heat", "all"]
    assert (by_type["heat"].won, by_type["heat"].episodes, by_type["cool"].success.rate) == (2, 2, 0)
    whole = by_type["all"]
    assert (whole.score.mean, whole.turns, whole.switches) == pytest.approx((2.5 / 3, 14 / 3, 5 / 3))
    # 2.5 of 3: (5 / 6 + 0.64026 ± 1.95996 √(5 / 108 + 0.10671)) / 2.28049.
    assert (whole.score.low, whole.score.high) == pytest.approx((0.3100, 0.9823), abs=1e-4)
    assert (whole.valid_plans, whole.valid_actions) == pytest.approx((12 / 14, 9 / 14))
    assert (whole.success.low, whole.success.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    console = Console(width=130, record=True, file=io.StringIO())
    console.print(outcome_table("title", by_type))
    assert "66.7 % [20.8, 93.9]" in console.export_text()


def test_outcomes_by_environment_where_there_are_several() -> None:
    lost = replace(ONE, task_type="web/shop", environment="web", won=False, score=0.5)
    found = outcomes([replace(ONE, environment="game"), lost, lost])
    assert list(found) == ["heat", "web/shop", "all of game", "all of web", "all"]
    assert (found["all of game"].won, found["all of web"].episodes, found["all"].episodes) == (1, 2, 3)


def test_subgoals_that_recur() -> None:
    twelve = [replace(ONE, subgoals=(f"goal {number:02}", "x")) for number in range(12)]
    recurring = recurring_subgoals(twelve)
    assert recurring[:3] == [("x", 12), ("goal 00", 1), ("goal 01", 1)]
    assert len(recurring) == 10


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_more_games_contain_the_fewer(fewer: int, more: int, seed: int) -> None:
    fewer, more = sorted((fewer, more))
    few, many = (chosen_tasks(TASKS, (), count, seed) for count in (fewer, more))
    assert len(many) == min(more, len(TASKS))
    assert set(few) <= set(many)
    assert list(many) == sorted(many)


def test_games_are_drawn_from_each_environment() -> None:
    drawn = chosen_tasks(TASKS, (), 2, 0, lambda task: task.type)
    assert [task.type for task in drawn].count("heat") == [task.type for task in drawn].count("look") == 2


def test_tasks_of_one_type() -> None:
    assert {task.type for task in chosen_tasks(TASKS, ("look",), None, 0)} == {"look"}
    with pytest.raises(UnknownTaskTypeError, match="Did you mean look"):
        chosen_tasks(TASKS, ("lock",), None, 0)


def test_a_log_goes_on_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    EpisodeLog(path, {"split": "a"}).keep(ONE)
    with path.open("a") as file:
        file.write('{"task_id": "b", "ta')
    log = EpisodeLog(path, {"split": "a"})
    assert log.episodes == [ONE]
    log.keep(replace(ONE, sample=1))
    assert EpisodeLog(path, {"split": "a"}).episodes == [ONE, replace(ONE, sample=1)]


def test_a_log_of_something_else_is_left_alone_and_the_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    first, other = Configuration(), Configuration.model_validate({"planner": {"temperature": 0.5}})
    EpisodeLog(path, identity(first, AdapterChoice("base"), "a")).keep(ONE)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"planner.temperature was 1.0, not 0.5.* --out"):
        EpisodeLog(path, identity(other, AdapterChoice("base"), "a"))
    assert path.read_bytes() == before
    elsewhere = Configuration.model_validate({"planner": {"threads": 2}, "orchestrator": {"concurrency": 3}})
    assert identity(elsewhere, AdapterChoice("base"), "a") == identity(first, AdapterChoice("base"), "a")


def test_a_log_of_an_earlier_version_lacks_keys_that_had_their_defaults(tmp_path: Path) -> None:
    path, key = tmp_path / "log.jsonl", "environment.step_limits"
    mix = {"mix": ["alfworld=3", "webshop=1"]}
    plain, limited = (
        identity(Configuration.model_validate({"environment": mix | own}), AdapterChoice("base"), "a")
        for own in ({}, {"step_limits": ["webshop=15"]})
    )
    EpisodeLog(path, {name: value for name, value in plain.items() if name != key}).keep(ONE)
    assert EpisodeLog(path, plain).episodes == [ONE]
    with pytest.raises(ConfigurationError, match=r"environment.step_limits was \(\), not \('webshop=15',\)"):
        EpisodeLog(path, limited)


def adapter(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(folder.name.encode())


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of three versions, the last of which the executor does not have yet."""
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    root = tmp_path / "run"
    for role, version in (("planner", 0), ("executor", 0), ("planner", 1), ("executor", 1), ("planner", 2)):
        adapter(root / "adapters" / role / str(version))
    generated = {"environment": {"source": "generated", "generator": {"games": 6}}}
    (root / "configuration.toml").write_text(to_toml(Configuration.model_validate(generated)))
    return root


def test_a_run_means_its_newest_whole_version_and_a_checkpoint_its_own(run_dir: Path) -> None:
    assert found(run_dir, None).label == "v1"
    assert found(run_dir, 0).version == 0
    assert found(run_dir / "checkpoints" / "0", None).folders == {
        role.value: run_dir / "adapters" / role.value / "0" for role in Role
    }
    hashes = found(run_dir, 1).hashes
    assert hashes["planner"] == hashes["executor"] != ""


def test_a_folder_with_both_adapters(tmp_path: Path) -> None:
    for role in Role:
        adapter(tmp_path / "pair" / role.value)
    assert found(tmp_path / "pair", None).folders["planner"] == tmp_path / "pair" / "planner"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to evaluate: --checkpoint needs"),
        (["--checkpoint", "nowhere"], "no adapters at .*nowhere: looked for a run"),
        (["--checkpoint", "run", "--version", "2"], "no adapters of version 2; there are 0, 1"),
        (["--checkpoint", "run/checkpoints/7"], "no adapters of version 7"),
        (["--checkpoint", "run/checkpoints/last"], "its name is not a version"),
        (
            ["--checkpoint", "run", "--split", "valid_sen"],
            "unknown split 'valid_sen'. Did you mean valid_seen",
        ),
        (["--checkpoint", "run", "--task-types", "chess"], "unknown task type 'chess'"),
        (["--checkpoint", "run", "--games", "0"], "games"),
        (["--planner-adapter", "run/adapters/planner/0"], "must be given together"),
        (
            ["--planner-adapter", "run/adapters/planner/0", "--executor-adapter", "run/adapters/executor/5"],
            "no adapter for the executor: there is no .*executor/5/adapter_config.json",
        ),
        (["--checkpoint", "warm-start", "--no-warm-start"], "starts without a warm start"),
    ],
)
def test_bad_input(run_dir: Path, options: list[str], message: str) -> None:
    with pytest.raises(HiperError, match=message) as refused:
        evaluate([*options, *(() if "run" in options else ("--environment.source=generated",))])
    assert of_error(refused.value) == REFUSED
    assert not (run_dir / "evaluation").exists()


def test_what_was_played_to_the_end_is_shown_again_without_a_server(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--checkpoint", "run", "--split", "valid_seen", "--planner.address", "127.0.0.1:1"]
    configuration = Configuration.model_validate(
        {"environment": {"source": "generated", "generator": {"games": 6}}}
    )
    path = run_dir / "evaluation" / "valid_seen-v1.episodes.jsonl"
    log = EpisodeLog(path, identity(configuration, found(run_dir, 1), "valid_seen"))
    for task in registry.load(configuration.environment).tasks("valid_seen"):
        log.keep(replace(ONE, task_id=task.id, task_type=task.type))
    assert evaluate(options) == 0
    assert "100.0 % [61.0, 100.0]" in capsys.readouterr().out
    content = json.loads((run_dir / "evaluation" / "valid_seen-v1.json").read_text())
    assert (content["results"]["all"]["won"], content["episodes_played_now"]) == (6, 0)
    assert content["configuration"]["environment"]["generator"]["games"] == 6


def test_servers_that_are_running_are_not_said_to_be_started(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--checkpoint=run", "--split=valid_seen", "--orchestrator.start_seconds=0.1")
    with pytest.raises(UnavailableError, match="127.0.0.1:[12] is not there"):
        evaluate([*options, "--planner.address=127.0.0.1:1", "--executor.address=127.0.0.1:2"])
    assert capsys.readouterr().out.startswith(
        "connecting to planner at 127.0.0.1:1 and executor at 127.0.0.1:2\n"
    )


def test_evaluations_beside_each_other_have_a_folder_each(run_dir: Path) -> None:
    def folder(*out: str) -> Path:
        return read_request(["--checkpoint", "run", *out]).folder

    usual = run_dir / "evaluation"
    assert folder() == usual
    assert folder("--out", "elsewhere/a.json") == usual / "a"
    assert folder("--out", "elsewhere/b.json") == usual / "b"


def test_a_log_has_a_line_for_each_tenth_with_the_time_left() -> None:
    output = io.StringIO()
    times = iter(range(100))
    progress = EvaluationProgress(
        Console(file=output, force_terminal=False), "valid", 0, 40, clock=lambda: float(next(times))
    )
    lease = asyncio.run(Games(TASKS, 1, 3, (), lambda _: None).lease())
    assert isinstance(lease, Lease)
    with progress:
        for number in range(8):
            progress.episode(played_episode(lease, TASKS[0], won=number % 2 == 0))
    assert output.getvalue().splitlines() == [
        "valid: 4/40, won 2/4, 0:09 left",
        "valid: 8/40, won 4/8, 0:08 left",
    ]


def test_a_bar_where_there_is_a_terminal() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=100)
    lease = asyncio.run(Games(TASKS, 1, 3, (), lambda _: None).lease())
    assert isinstance(lease, Lease)
    with EvaluationProgress(console, "valid, v[3]", 2, 7) as progress:
        progress.episode(played_episode(lease, TASKS[0]))
        progress.episode(played_episode(lease, TASKS[0], won=False))
    assert "valid, v[3]" in output.getvalue()
    assert "4/7" in output.getvalue()
    assert "won 1/2" in output.getvalue()
