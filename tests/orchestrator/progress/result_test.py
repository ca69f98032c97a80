"""The final table, and what it says about time and about how to look closer."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.clients.models import CallTime
from orchestrator.progress import result
from orchestrator.progress.tally import Tally
from tests.orchestrator.progress.moments import Clock, turn

LINE = {
    "adapter/version": 3.0,
    "episode/count": 16.0,
    "episode/success_rate": 0.4375,
    "episode/length/mean": 12.34,
    "episode/switches/mean": 2.56,
    "turn/action_valid_share": 0.999,
    "turn/seconds/mean": 0.126,
    "timing_s/update": 89.6,
}


def printed(**more: object) -> str:
    console = Console(file=io.StringIO(), width=40, record=True)
    arguments = {"lines": [LINE], "shares": {}, "small": False, "go_on": "again", **more}
    result.show(console, Path("/runs/a"), **arguments)  # type: ignore[arg-type]
    return console.export_text()


def test_a_row_for_each_update_with_rounded_figures() -> None:
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(result.updates_table([LINE, {"adapter/version": 4.0}, {}]))
    rows = [line.split("│")[1:-1] for line in console.export_text().splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["3", "16", "44%", "12.3", "2.6", "100%", "0.13", "90"],
        ["4", "", "", "", "", "", "", ""],
        [""] * 8,
    ]


def test_the_turns_time_is_shared_out() -> None:
    tally = Tally(Clock())
    for _ in range(4):
        tally.turn(turn())
    # 8 seconds of turns: 4 in the engines, 2 in the environment; calls took 1 second longer than the engines.
    calls = [CallTime(elapsed=0.625, engine=0.5) for _ in range(8)]
    shares = result.time_shares(tally, calls)
    assert shares == pytest.approx(
        {"generation": 0.5, "environment": 0.25, "RPC": 0.125, "orchestrator": 0.125}
    )
    assert list(shares) == ["generation", "environment", "RPC", "orchestrator"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert result.rpc_cost(shares) == pytest.approx(0.25)


def test_shares_are_printed_with_their_sum() -> None:
    text = printed(shares={"generation": 0.5, "environment": 0.25, "RPC": 0.125, "orchestrator": 0.125})
    flat = " ".join(text.split())
    assert "generation 50.00%, environment 25.00%, RPC 12.50%, orchestrator 12.50%" in flat
    assert "25.00%" in flat.rpartition("RPC cost")[2]


def test_without_turns_nothing_is_said_about_their_time() -> None:
    assert "RPC" not in printed()


def test_what_a_small_model_shows_is_said_only_of_it() -> None:
    # The console is narrow, so that the text is broken into lines.
    assert " ".join(result.SMALL_MODEL.split()[:8]) in " ".join(printed(small=True).split())
    assert "bundled model" not in printed()


def test_commands_are_printed_on_one_line_to_be_copied() -> None:
    text = printed(go_on="./bazelw run //orchestrator:rollout -- --run-dir /runs/a --resume")
    lines = [line.split(maxsplit=2)[-1] for line in text.splitlines()]
    assert "./bazelw run //orchestrator:show -- /runs/a" in text.splitlines()[-3]
    assert text.splitlines()[-2].endswith("./bazelw run //orchestrator:show -- /runs/a 0")
    assert text.splitlines()[-1].endswith("//orchestrator:rollout -- --run-dir /runs/a --resume")
    assert any(line.endswith("/runs/a/adapters") for line in lines)


@pytest.mark.parametrize("command", [result.show_command, result.resume_command])
@pytest.mark.parametrize("folder", ["/runs/a", "/my runs/it's mine", "/runs/$HOME;ls"])
def test_a_shell_reads_back_the_folder(command: object, folder: str) -> None:
    assert folder in shlex.split(command(Path(folder)))  # type: ignore[operator]
