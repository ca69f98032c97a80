"""A run with two episodes, one of which an update has used."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from configuration.tree import Configuration
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from tests.play.answers import act, keep, switch
from trajectory.episode import Episode, EpisodeKey
from trajectory.machine import Assignment, Finished, Planning, StepOutcome, begin
from trajectory.wire import episode_to_pb

SEED = 2**63 + 5
"""Too large for a signed integer."""
CREDIT = (
    TurnAdvantages(0.1, 0.2, 0.3, TurnValues(1.0, 2.0, 3.0)),
    TurnAdvantages(-0.4, 0.0, 0.5, TurnValues(4.0, 5.0, 6.0)),
)


def made_run(root: Path, **sections: Any) -> Path:
    """Writes the run's folder, with these sections in its configuration; returns it."""
    folder = RunFolder(root)
    root.mkdir(parents=True)
    saved_configuration.write(folder, Configuration.model_validate(sections))
    with closing(EpisodeStore(folder.episodes, "run-7")) as store:
        store.add(episode_to_pb(episode(0)))
        store.add(episode_to_pb(episode(1)))
        store.set_advantages(0, CREDIT)
        store.set_aside({1: "its version was given up"})
    return root


def episode(number: int) -> Episode:
    """Two turns, switch and keep; the goal has characters that JSON must escape or keep."""
    key = EpisodeKey("run-7", f"task-{number}", SEED, 0)
    state: Planning | Finished = begin(
        Assignment(key, number, 3, "0.0", "alfworld", "pick", 2), 'put a "mug"\nin the café', "a room"
    )
    for turn, plan in enumerate((switch("find a mug", 4), keep("find a mug", 4))):
        assert isinstance(state, Planning)
        won = turn == 1
        outcome = StepOutcome(f"seen {turn}", 0.1 * turn, won, False, won, float(won), 0.25)
        state = state.planned(plan).acted(act(f"go {turn}", 5)).stepped(outcome, 1.5)
    assert isinstance(state, Finished)
    return state.episode(3.0, planner_prompt_ids=(7, 8), executor_prompt_ids=(9,))
