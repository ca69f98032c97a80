"""Commands that share the runs of a plan: claims, resumption and the estimate of the time left."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from studies.curves.methods import Cell
from studies.curves.plan import Plan
from studies.curves.playing import Cells, State
from studies.curves.study import Outcome, Place
from tests.studies.curves.outcomes import outcome

PLAN = Plan(("tiny",), ("hae", "gae"), (0, 1), (1e-3,), ())


def cells(root: Path, plan: Plan = PLAN) -> Cells:
    return Cells(plan, lambda cell: Place(root, cell))


def finish(cell: Cell, place: Place, seconds: float = 60.0) -> Outcome:
    made = replace(outcome(cell.method, cell.seed, 0.5), cell=cell, seconds=seconds)
    place.folder.mkdir(parents=True, exist_ok=True)
    place.outcome.write_text(json.dumps(asdict(made)))
    return made


def never(_: float) -> None:
    raise AssertionError("there is something to play")


def test_all_cells_are_played_once_and_finished_ones_are_kept(tmp_path: Path) -> None:
    played: list[Cell] = []

    def play(cell: Cell, place: Place) -> Outcome:
        played.append(cell)
        return finish(cell, place)

    told: list[str] = []
    cells(tmp_path).play_all(play, told.append, never)
    assert played == PLAN.unfinished({}.get)
    assert told[2] == "tiny-hae-0.001-1 begins; 2 of 4 runs finished, about 2 min left"
    again = cells(tmp_path)
    again.play_all(play, told.append, never)
    assert len(played) == 4
    assert [one.cell for one in again.reported()] == played


def test_a_cell_of_another_command_is_left_to_it_and_waited_for(tmp_path: Path) -> None:
    other = Place(tmp_path, Cell("tiny", "hae", 1e-3, 0))
    claim = other.claimed()
    assert claim is not None
    played: list[str] = []

    def play(cell: Cell, place: Place) -> Outcome:
        played.append(cell.name)
        return finish(cell, place)

    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        finish(other.cell, other)

    cells(tmp_path).play_all(play, lambda _: None, sleep)
    claim.release()
    assert other.cell.name not in played and len(played) == 3
    assert len(waits) == 1


def test_the_claim_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    place = Place(tmp_path, PLAN.unfinished({}.get)[0])
    code = (
        "import sys, pathlib\n"
        "from studies.curves.methods import Cell\n"
        "from studies.curves.study import Place\n"
        f"claim = Place(pathlib.Path({str(tmp_path)!r}), Cell('tiny', 'hae', 1e-3, 0)).claimed()\n"
        "print('claimed' if claim else 'busy', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert other.stdout is not None and other.stdout.readline() == "claimed\n"
    assert place.claimed() is None
    other.kill()
    other.communicate()
    claim = place.claimed()
    assert claim is not None
    claim.release()


def test_a_cell_that_fails_is_given_back(tmp_path: Path) -> None:
    def fail(cell: Cell, place: Place) -> Outcome:
        raise RuntimeError(cell.name)

    with pytest.raises(RuntimeError, match="tiny-hae-0.001-0"):
        cells(tmp_path).play_all(fail, lambda _: None, never)
    claim = Place(tmp_path, Cell("tiny", "hae", 1e-3, 0)).claimed()
    assert claim is not None
    claim.release()


def test_the_time_left_is_that_of_the_cells_most_alike(tmp_path: Path) -> None:
    plan = Plan(("tiny", "long"), ("hae", "gae"), (0, 1), (1e-3,), ())
    study = cells(tmp_path, plan)
    assert study.state() == State(0, 8, None)
    for cell, seconds in ((Cell("tiny", "hae", 1e-3, 0), 60.0), (Cell("long", "hae", 1e-3, 0), 600.0)):
        finish(cell, Place(tmp_path, cell), seconds)
    # One more of tiny's HAE, two of its GAE, one of long's HAE, two of its GAE.
    assert study.state() == State(2, 8, 60 + 2 * 60 + 600 + 2 * 600)
    assert str(study.state()) == "2 of 8 runs finished, about 33 min left"
    assert str(State(1, 2, 7300.0)) == "1 of 2 runs finished, about 2 h 2 min left"


def test_runs_whose_rate_is_not_chosen_yet_count_as_well(tmp_path: Path) -> None:
    plan = Plan(("tiny",), ("hae",), (0, 1), (1e-3, 2e-3), (9,))
    cell = Cell("tiny", "hae", 1e-3, 9)
    finish(cell, Place(tmp_path, cell), 100.0)
    assert cells(tmp_path, plan).state() == State(1, 4, 300.0)
