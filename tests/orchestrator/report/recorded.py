"""A run's folder with recorded episodes of several kinds, for tests of the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from configuration.tree import Configuration
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from tests.orchestrator.progress.moments import episode
from trajectory.episode import Episode, EpisodeKey
from trajectory.wire import episode_to_pb

HOSTILE = (
    "<img src=x onerror=\"document.title='hacked'\"></script>"
    "<script>document.title='hacked'</script>\u2028'\\"
)
"""An observation that would run a script if it were ever read as HTML or as JavaScript."""
TYPES = ("pick", "look", "<b>heat</b>")
ADVANTAGES = tuple(
    TurnAdvantages(0.25 * turn, -0.5, 0.125, TurnValues(1.0, 2.0 + turn, 3.0)) for turn in range(3)
)


def recorded(number: int) -> Episode:
    """Every third is won, every third lost; the types take turns; three turns, the last of them hostile."""
    kinds = ((True, True), (False, True), (False, False))
    won, terminated = kinds[number % 3]
    played = episode(number, won=won, terminated=terminated, turns=3)
    last = replace(played.turns[-1], observation=HOSTILE)
    return replace(
        played,
        key=EpisodeKey("run-7", f"task {number % 50}", number, 0),
        task_type=TYPES[number // 3 % 3],
        goal=f"goal {number} <i>end</i>",
        turns=(*played.turns[:-1], last),
    )


def write_run(root: Path, count: int) -> Path:
    """A run with this many episodes, of which updates have used the first half."""
    root.mkdir(exist_ok=True)
    saved_configuration.write(RunFolder(root), Configuration.model_validate({"run": {"seed": 3}}))
    store = EpisodeStore(RunFolder(root).episodes, "run-7")
    add_episodes(store, range(count))
    for number in range(count // 2):
        store.set_advantages(number, ADVANTAGES)
    store.close()
    return root


def add_episodes(store: EpisodeStore, numbers: range) -> None:
    """Adds recorded episodes."""
    for number in numbers:
        store.add(episode_to_pb(recorded(number)))
