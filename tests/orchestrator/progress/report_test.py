"""Tally, display, watch and the final table."""

import asyncio
import io
from dataclasses import replace

import pytest
from rich.console import Console

from orchestrator.clients.models import CallTime
from orchestrator.progress import result
from orchestrator.progress.display import LiveDisplay, PlainDisplay, display_for, summary
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from orchestrator.progress.watch import LearnerFailedError, Watch
from tests.play.answers import act, switch
from tests.play.quiet import Quiet
from trajectory.episode import Turn
from trajectory.learner_status import LearnerStatus, Phase


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def status(phase: Phase, version: int = 0, **metrics: float) -> LearnerStatus:
    return LearnerStatus(
        run_id="run",
        phase=phase,
        message=f"{phase.value}!",
        version=version,
        updates_done=version,
        updates_total=2,
        episodes_stored=3,
        episodes_trained=2,
        leases_open=1,
        progress=0.5,
        metrics={name.replace("__", "/"): value for name, value in metrics.items()},
    )


def turn(version: int = 0) -> Turn:
    """Two seconds: one in the engines, half a second in the environment."""
    return Turn("room", switch("find a mug", version), act("look", version), 0.0, 2.0, 0.5)


def test_rates_count_only_the_time_in_which_episodes_are_played() -> None:
    clock = Clock()
    tally = Tally(clock)
    clock.now += 50
    tally.episode_began()
    clock.now += 2
    tally.episode_began()
    clock.now += 3
    tally.episode_left()
    clock.now += 5
    tally.episode_left()
    clock.now += 40
    assert tally.playing_seconds == 10
    for _ in range(20):
        tally.turn(turn(version=1))
    assert tally.seconds == 100
    assert summary(tally, 16) == "episodes 0/16 · 2.0 turns/s · 10 tokens/s · planner@1 executor@1 · 1:40"


def test_the_time_left_follows_from_the_mean_step() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.learner(replace(status(Phase.STARTING, -1), updates_done=0))
    assert tally.seconds_left is None
    clock.now += 100
    for version, seconds in ((4, 0.0), (5, 50.0), (6, 70.0)):
        clock.now += seconds
        tally.learner(replace(status(Phase.GATHERING, version), updates_total=10))
    assert tally.seconds_left == pytest.approx(4 * 60)
    clock.now += 30
    assert tally.seconds_left == pytest.approx(210)
    assert summary(tally, 80).endswith("updates 6/10 · 4:10 · about 3:30 left")
    tally.stopping = True
    assert summary(tally, 80).endswith("4:10 · ends after the update in flight")


def test_time_shares_add_up() -> None:
    tally = Tally(Clock())
    tally.turn(turn())
    shares = result.time_shares(tally, (CallTime(0.7, 0.5), CallTime(0.6, 0.5)))
    assert shares == pytest.approx({"generation": 0.5, "environment": 0.25, "RPC": 0.15, "orchestrator": 0.1})
    assert result.rpc_cost(shares) == pytest.approx(0.25)


def test_no_turn_has_no_shares() -> None:
    assert result.time_shares(Tally(Clock()), ()) == {}


def test_lines_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=False, width=40)
    tally = Tally(Clock())
    with display_for(console, tally, 16) as display:
        assert isinstance(display, PlainDisplay)
        report = Report(tally, display)
        report.say("starting the servers")
        for each in (Phase.STARTING, Phase.STARTING, Phase.UPDATING):
            report.learner(status(each))
    assert output.getvalue().splitlines() == [
        "starting the servers",
        "[0:00] learner: starting (starting!)",
        "[0:00] learner: updating (updating!)",
    ]


def test_a_log_has_a_line_for_each_quarter_of_a_phase() -> None:
    output = io.StringIO()
    tally = Tally(Clock())
    with display_for(Console(file=output, force_terminal=False, width=40), tally, 16) as display:
        for step in range(21):
            display.learner(replace(status(Phase.STARTING), progress=step / 20, message=f"step {step}"))
    assert output.getvalue().splitlines() == [
        f"[0:00] learner: starting (step {step})" for step in (0, 5, 10, 15, 20)
    ]


def test_a_panel_where_there_is_one() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120)
    tally = Tally(Clock())
    with display_for(console, tally, 16) as display:
        assert isinstance(display, LiveDisplay)
        Report(tally, display).learner(status(Phase.UPDATING))
    assert "episodes 3/16" in output.getvalue()
    assert "updating!" in output.getvalue()


def test_the_final_table_shows_what_the_metrics_say() -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    lines = [
        {
            "adapter/version": 1.0,
            "episode/count": 8.0,
            "episode/success_rate": 0.125,
            "episode/length/mean": 3.5,
        },
        {"adapter/version": 2.0, "episode/count": 8.0, "episode/success_rate": 0.25},
    ]
    console.print(result.updates_table(lines))
    rows = [line.split("│") for line in console.export_text().splitlines() if line.startswith("│")]
    cells = [[cell.strip() for cell in row[1:5]] for row in rows]
    assert cells == [["1", "8", "12%", "3.5"], ["2", "8", "25%", ""]]


class ScriptedLearner:
    def __init__(self, *answers: LearnerStatus) -> None:
        self._answers = list(answers)

    async def status(self) -> LearnerStatus:
        return self._answers.pop(0)


async def no_time(_: float) -> None:
    pass


def test_watching_until_the_last_update() -> None:
    tally, quiet = Tally(Clock()), Quiet()
    learner = ScriptedLearner(
        status(Phase.STARTING),
        status(Phase.GATHERING, 1, adapter__version=1.0),
        status(Phase.FINISHED, 2, adapter__version=2.0, hae__low=3.0),
    )
    asyncio.run(Watch(learner, Report(tally, quiet).learner, sleep=no_time).run())
    assert quiet.phases == ["starting", "gathering episodes", "finished"]
    assert tally.metrics == {1: {"adapter/version": 1.0}, 2: {"adapter/version": 2.0, "hae/low": 3.0}}


def test_a_failed_learner_ends_the_watch_with_its_own_words() -> None:
    learner = ScriptedLearner(status(Phase.GATHERING), status(Phase.FAILED))
    with pytest.raises(LearnerFailedError, match="the learner has failed: failed!"):
        asyncio.run(Watch(learner, lambda _: None, sleep=no_time).run())


def test_episodes_that_were_not_trained_on_are_counted_on_the_display() -> None:
    tally = Tally(Clock())
    for version, count in ((1, 2.0), (2, 0.0), (2, 0.0), (3, 1.0)):
        made = {"adapter__version": float(version), "episode__set_aside": count}
        tally.learner(status(Phase.GATHERING, version, **made))
    assert "3 not trained on (see the learner's log)" in summary(tally, 6)
