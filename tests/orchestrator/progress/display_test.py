"""What a person sees: lines in a log, a panel on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orchestrator.progress.display import LiveDisplay, PlainDisplay, clock_text, explained_text, summary
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from tests.orchestrator.progress.moments import Clock, episode, status, turn
from trajectory.learner_status import Phase


def log() -> tuple[Report, io.StringIO, Clock]:
    """A report to a narrow log, which must not break lines."""
    output, clock = io.StringIO(), Clock()
    tally = Tally(clock)
    return Report(tally, PlainDisplay(Console(file=output, width=20), tally, 16)), output, clock


def panel(tally: Tally, *told: str) -> str:
    """The panel's text after the messages."""
    display = LiveDisplay(Console(file=io.StringIO(), width=100), tally, 16)
    for text in told:
        display.say(text)
    return drawn(display)


def drawn(display: LiveDisplay) -> str:
    page = Console(file=io.StringIO(), width=100)
    with page.capture() as captured:
        page.print(display._panel())
    return captured.get()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (9.99, "0:09"),
        (60, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3661, "1:01:01"),
        (360_000, "100:00:00"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_a_summary_grows_with_what_is_known() -> None:
    clock = Clock()
    tally = Tally(clock)
    assert summary(tally, 16) == "episodes 0/16 · 0:00"
    tally.episode_began()
    clock.now += 4
    for first in (True, False):
        tally.turn(turn(first=first, planner=1))
    assert summary(tally, 16) == "episodes 0/16 · 0.5 turns/s · 2 tokens/s · planner@1 executor@0 · 0:04"
    tally.episode_left()
    tally.episode(episode(0, won=True))
    tally.episode(episode(1))
    assert summary(tally, 16).startswith("episodes 2/16 · won 1/2 · 0.5 turns/s")
    tally.learner(status(version=1, done=1))
    assert " · updates 1/4 · 0:04" in summary(tally, 16)


def test_what_the_critic_explains_is_shown_and_marked_if_it_is_too_little() -> None:
    line = {"critic/explained_variance/high": 0.516, "critic/explained_variance/low": -0.04}
    assert explained_text(line) == "critic explains V_high 52%, V_low -4%"
    assert explained_text(line | {"critic/weak_heads": 1.0}).endswith(
        "V_low -4% (too little for the estimator)"
    )
    assert explained_text({"critic/loss": 1.0}) == ""


def test_episodes_of_an_earlier_process_count_too() -> None:
    tally = Tally(Clock())
    tally.learner(status(stored=9))
    tally.episode(episode(9))
    assert summary(tally, 16).startswith("episodes 9/16 · won 0/1")


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (episode(3, won=True), "won"),
        (episode(3), "lost"),
        (episode(3, terminated=False), "out of turns"),
    ],
)
def test_a_line_for_each_episode(ended: object, word: str) -> None:
    report, output, clock = log()
    clock.now += 65
    report.episode(ended)  # type: ignore[arg-type]
    won = int(word == "won")
    assert output.getvalue() == (
        f"[1:05] episode 3 {word} after 2 turns; episodes 1/16 · won {won}/1 · 1:05\n"
    )


def test_messages_are_printed_as_they_are() -> None:
    report, output, _ = log()
    report.say("the folder [bold]is[/bold] /a/very/long/path/that/is/not/broken")
    assert output.getvalue() == "the folder [bold]is[/bold] /a/very/long/path/that/is/not/broken\n"


def test_a_phase_that_comes_back_has_a_line_again() -> None:
    report, output, _ = log()
    for phase in (Phase.GATHERING, Phase.UPDATING, Phase.GATHERING):
        report.learner(status(phase))
    assert [line.split(" (")[0] for line in output.getvalue().splitlines()] == [
        "[0:00] learner: gathering episodes",
        "[0:00] learner: updating",
        "[0:00] learner: gathering episodes",
    ]


def test_stopping_is_said_and_remembered() -> None:
    report, output, _ = log()
    report.stopping()
    assert report.tally.stopping
    assert "after the update in flight" in output.getvalue()
    assert summary(report.tally, 16).endswith("ends after the update in flight")


def test_a_report_passes_everything_to_the_tally() -> None:
    report, _, clock = log()
    report.episode_began()
    clock.now += 5
    report.turn(turn())
    report.episode_left()
    report.episode(episode(0, won=True))
    report.learner(status(version=1, adapter__version=1.0))
    tally = report.tally
    assert (tally.playing_seconds, tally.turns, tally.episodes, tally.wins) == (5, 1, 1, 1)
    assert list(tally.metrics) == [1]


def test_the_panel_shows_the_last_message_until_the_learner_says_something() -> None:
    tally = Tally(Clock())
    assert panel(tally, "starting", "waiting").splitlines() == ["episodes 0/16 · 0:00", "waiting"]
    display = LiveDisplay(Console(file=io.StringIO()), tally, 16)
    display.say("waiting")
    tally.learner(status(Phase.UPDATING, progress=0.5))
    display.learner(tally.status)  # type: ignore[arg-type]
    assert "waiting" not in drawn(display)
    assert "learner: updating at 50%" in drawn(display)


@pytest.mark.parametrize("phase", Phase)
def test_a_bar_is_drawn_where_the_learner_knows_its_progress(phase: Phase) -> None:
    tally = Tally(Clock())
    tally.learner(status(phase, progress=0.5))
    _, line = panel(tally).splitlines()
    assert ("━" in line) is (phase in (Phase.STARTING, Phase.UPDATING, Phase.PUBLISHING))
    assert line.rstrip().endswith(f"learner: {phase.name.lower()} at 50%")


def test_the_panel_is_cleared_when_the_run_ends() -> None:
    output = io.StringIO()
    tally = Tally(Clock())
    with LiveDisplay(Console(file=output, force_terminal=True, width=100), tally, 16) as display:
        display.episode(episode(0))
        tally.episode(episode(0))
    assert output.getvalue().rstrip("\n").endswith("\x1b[2K"), "the last thing written erases a line"


def test_a_note_stays_on_a_terminal() -> None:
    output = io.StringIO()
    tally = Tally()
    with LiveDisplay(Console(file=output, force_terminal=True, width=100), tally, 16) as display:
        display.note("executor-1 was killed by SIGKILL; started again (1 of 5)")
        display.learner(status(Phase.GATHERING))
    assert "executor-1 was killed by SIGKILL; started again (1 of 5)\n" in output.getvalue()
