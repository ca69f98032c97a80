"""TextWorld's engine with alfworld's names, behind our engine's interface; ours is checked against it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from environments.alfworld.environment import Started
from environments.alfworld.game_source import GameSource
from environments.benchmark import Task
from environments.errors import BenchmarkError, MissingDependencyError

if TYPE_CHECKING:
    import textworld

_LOCK = threading.RLock()
"""Lock for one call at a time per process: fast-downward's translator keeps its state in globals."""

_IDLE: list[textworld.Environment] = []
"""Environments of closed engines, kept for reuse. Each has loaded its own copy of a 34 MB library that must
stay loaded: after unloading two of them, the process crashes when it exits."""


class StockEngine:
    """A single TextWorld environment, which plays one game after the other."""

    def __init__(self, source: GameSource, find: Callable[[str], Task]) -> None:
        """`find` returns the task with an id."""
        self._source = source
        self._find = find
        self._env: textworld.Environment | None = None
        self._running: StockEpisode | None = None

    def start(self, task_id: str) -> Started:
        """Loads the game, which takes about 2.5 s and ends the episode that was played before."""
        task = self._find(task_id)
        content = json.loads(self._source.read(task.id))
        episode = StockEpisode(self, content)
        return Started(task, episode.introduction().rpartition("Your task is to: ")[2], episode)

    def load(self, content: dict[str, object], episode: StockEpisode) -> textworld.GameState:
        """Starts the game with this content; from now on, only `episode` may call `step`."""
        with _LOCK, _as_found():
            if self._env is None:
                self._env = _IDLE.pop() if _IDLE else _new_environment()
            self._env.load(content)
            _rename(self._env)
            self._running = episode
            return self._env.reset()

    def step(self, command: str, episode: StockEpisode) -> textworld.GameState:
        if self._env is None or self._running is not episode:
            raise BenchmarkError(
                "TextWorld plays one episode at a time, and another one was started in the meantime: "
                "reset before the next step"
            )
        with _LOCK, _as_found():
            return self._env.step(command)[0]

    def close(self) -> None:
        """Leaves the environment to the next engine; this engine takes another when it is used again."""
        with _LOCK:
            if self._env is not None:
                _IDLE.append(self._env)
            self._env = self._running = None

    def twin(self) -> StockEngine:
        return StockEngine(self._source, self._find)


class StockEpisode:
    """A `Playthrough` on TextWorld's engine."""

    def __init__(self, engine: StockEngine, content: dict[str, object]) -> None:
        self._engine = engine
        self._content = content
        self._commands: list[str] = []
        self._state = engine.load(content, self)
        self._introduction = str(self._state.feedback)

    @property
    def admissible(self) -> tuple[str, ...]:
        return tuple(self._state.admissible_commands)

    @property
    def won(self) -> bool:
        return bool(self._state.won)

    def introduction(self) -> str:
        return self._introduction

    def act(self, command: str) -> str:
        self._state = self._engine.step(command, self)
        self._commands.append(command)
        return str(self._state.feedback)

    def copy(self) -> StockEpisode:
        """A copy on an engine of its own that repeats all actions: TextWorld cannot copy a running game."""
        twin = StockEpisode(self._engine.twin(), self._content)
        for command in self._commands:
            twin.act(command)
        return twin


def _new_environment() -> textworld.Environment:
    try:
        import textworld
        from textworld.envs.pddl import PddlEnv

        return PddlEnv(textworld.EnvInfos(won=True, admissible_commands=True))
    except ImportError as error:
        raise MissingDependencyError(
            f"backend textworld needs alfworld and textworld[pddl] (pip install alfworld): {error}"
        ) from None


def _rename(env: textworld.Environment) -> None:
    """Names the objects with the package's Demangler, as alfworld's AlfredDemangler does on loading."""
    from alfworld.agents.utils.misc import Demangler

    demangler = Demangler(game_infos=env._entity_infos, shuffle=False)
    for info in env._entity_infos.values():
        info.name = demangler.demangle_alfred_name(info.id)


@contextlib.contextmanager
def _as_found() -> Iterator[None]:
    """Restores what TextWorld and alfworld change as a side effect: sys.argv and ALFWORLD_DATA."""
    arguments, data = sys.argv, os.environ.get("ALFWORLD_DATA")
    try:
        yield
    finally:
        sys.argv = arguments
        if data is None:
            os.environ.pop("ALFWORLD_DATA", None)
