"""What `show` prints of a real store."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from core.errors import ConfigurationError, HiperError
from core.exit_codes import REFUSED, of_error
from orchestrator.show import episodes_table, print_episode, show
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from tests.play.answers import act, keep, switch
from trajectory.episode import EpisodeKey
from trajectory.machine import Assignment, Finished, Planning, StepOutcome, begin
from trajectory.wire import episode_to_pb

RULE = "──"
SVG = "{http://www.w3.org/2000/svg}"


def begun(number: int) -> Planning:
    state = begin(
        Assignment(EpisodeKey("run-7", "task-a", 5, 0), number, 0, "0.0", "alfworld", "pick", 2),
        "put a mug",
        "a [room]",
    )
    assert isinstance(state, Planning)
    return state


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with three episodes.

    The first is switch, keep, switch, and its last action invalid; then one that was won, and one that was
    lost with half of the score.
    """
    state: Planning | Finished = begun(0)
    turns = (
        (switch("find a mug", 1), act("go to desk 1", 2)),
        (keep("find a mug", 1), act("take mug 1", 2)),
        (switch("put it down", 1), act("dance", 2, valid=False)),
    )
    for number, (plan, action) in enumerate(turns):
        assert isinstance(state, Planning)
        outcome = StepOutcome(f"seen\n{number}", 0.0, False, number == 2, False, 0.0, 0.1)
        state = state.planned(plan).acted(action).stepped(outcome, 1.0)
    assert isinstance(state, Finished)
    store = EpisodeStore(tmp_path / "episodes.sqlite", "run-7")
    store.add(episode_to_pb(state.episode(3.0)))
    for number, score in ((1, 1.0), (2, 0.5)):
        first, act_first = turns[0]
        outcome = StepOutcome("over", score, True, False, score == 1.0, score, 0.1)
        over = begun(number).planned(first).acted(act_first).stepped(outcome, 1.0)
        assert isinstance(over, Finished)
        store.add(episode_to_pb(over.episode(3.0)))
    store.set_advantages(
        0,
        [
            TurnAdvantages(0.125, 1.5, 2.5, TurnValues(4.25, 5.0, 6.126)),
            TurnAdvantages(-0.25, 0.0, -3.5, TurnValues(7.0, 8.0, -0.5)),
            TurnAdvantages(0.5, -1.25, 4.5),
        ],
    )
    store.close()
    return tmp_path


def printed(run_dir: Path, number: int | None) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    store = EpisodeStore(run_dir / "episodes.sqlite")
    if number is None:
        console.print(episodes_table(store))
    else:
        print_episode(console, store, number)
    store.close()
    return re.sub("─+", RULE, console.export_text())


def test_the_list_of_episodes(run_dir: Path) -> None:
    text = printed(run_dir, None)
    assert "run run-7" in text
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines() if line.strip()[:1].isdecimal()]
    assert rows == [
        ["0", "pick", "out of turns", "3", "0", "0", "yes"],
        ["1", "pick", "won", "1", "1", "0"],
        ["2", "pick", "lost", "1", "0.5", "0"],
    ]


def test_an_observation_has_the_whole_width(run_dir: Path) -> None:
    store = EpisodeStore(run_dir / "episodes.sqlite")
    console = Console(width=50, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    state = begin(
        Assignment(EpisodeKey("run-7", "task-a", 5, 0), 9, 0, "0.0", "alfworld", "pick", 2),
        "go",
        "word " * 16,
    )
    assert isinstance(state, Planning)
    outcome = StepOutcome("over", 1.0, True, False, True, 1.0, 0.1)
    over = state.planned(switch("find", 1)).acted(act("go to desk 1", 2)).stepped(outcome, 1.0)
    assert isinstance(over, Finished)
    store.add(episode_to_pb(over.episode(3.0)))
    store.set_advantages(9, [TurnAdvantages(0.125, 1.5, 2.5, TurnValues(4.25, 5.0, 6.126))])
    print_episode(console, store, 9)
    store.close()
    lines = console.export_text().splitlines()
    assert "turn 0    " + "word " * 7 + "word" in [line.rstrip() for line in lines]


def test_a_picture_of_an_episode_needs_no_font_from_elsewhere(run_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "episode.svg"
    assert show([str(run_dir), "0", "--svg", str(file)]) == 0
    picture = ElementTree.fromstring(file.read_text())
    texts = ["".join(one.itertext()).replace("\xa0", " ") for one in picture.iter(f"{SVG}text")]
    assert f"hiper show {run_dir} 0" in texts
    assert {"A_high +1.500", "A_low -0.250"} <= {text.strip() for text in texts}
    assert "@font-face" not in file.read_text()


def test_a_picture_that_cannot_be_written_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--svg: cannot write .*No such file or directory"):
        show([str(run_dir), "0", "--svg", str(tmp_path / "nowhere" / "episode.svg")])


def test_an_episode_turn_by_turn(run_dir: Path) -> None:
    lines = [" ".join(line.split()) for line in printed(run_dir, 0).splitlines()]
    assert lines == [
        "episode 0, attempt 0: task-a",
        "task: put a mug",
        "out of turns after 3 turns, score 0, 3.0 s",
        f"segment 0: find a mug V_high 5.00 A_high +1.500 {RULE}",
        "turn 0 a [room]",
        "planner switch @1 V_switch 6.13 A_switch +2.500",
        "executor go to desk 1 @2 V_low 4.25 A_low +0.125",
        "turn 1 seen 0",
        "planner keep @1 V_switch -0.50 A_switch -3.500",
        "executor take mug 1 @2 V_low 7.00 A_low -0.250",
        f"segment 1: put it down A_high -1.250 {RULE}",
        "turn 2 seen 1",
        "planner switch @1 A_switch +4.500",
        "executor dance (invalid) @2 A_low +0.500",
        RULE,
        "final observation: seen 2",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"RUN_DIR is missing: the folder of a run. usage: show RUN_DIR \[EPISODE\]"),
        (["{run}", "0", "1"], "unexpected argument '1'.* usage: show RUN_DIR"),
        (["--episode", "3"], "unknown option --episode"),
        (["{run}", "nine"], "'nine' is not an episode number"),
        (["{run}", "9"], "no episode 9"),
        (["{run}/nothing"], "no episodes at"),
    ],
)
def test_bad_input(run_dir: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(HiperError, match=message) as refused:
        show([argument.format(run=run_dir) for argument in arguments])
    assert of_error(refused.value) == REFUSED


def test_the_command_ends_with_two_for_bad_input() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator.show", "/nowhere"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no episodes at /nowhere")


def test_an_episode_that_was_set_aside_is_told_with_its_reason(run_dir: Path) -> None:
    store = EpisodeStore(run_dir / "episodes.sqlite")
    store.set_aside({2: "turn 1: reward: 3e+38 is not accepted"})
    store.close()
    assert re.search(r"\b2\b.*set aside", printed(run_dir, None))
    assert "No update can use this episode: turn 1: reward: 3e+38 is not accepted." in printed(run_dir, 2)


def test_a_place_whose_environment_broke_is_told_though_it_has_no_episode(run_dir: Path) -> None:
    store = EpisodeStore(run_dir / "episodes.sqlite")
    store.set_aside({3: "environment mine, task a, turn 2: raised KeyError: 'a bug'"})
    store.close()
    assert re.search(r"\b3\b.*environment broke.*set aside", printed(run_dir, None))
    assert "episode 3 was set aside: environment mine, task a, turn 2: raised" in printed(run_dir, 3)
