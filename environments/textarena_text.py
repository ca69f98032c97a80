"""TextArena's single-player games by name, such as `textarena:FrozenLake-v0`; needs the package textarena.

TextArena (arXiv 2504.11442) draws from Python's and numpy's shared random generators. Here each game draws
from a state of its own, so that episodes which are played at the same time do not change each other.
"""

from __future__ import annotations

import copy
from typing import Any

import gymnasium

from configuration.environment import EnvironmentSettings
from core import shown
from environments.errors import BrokenEnvironmentError, MissingDependencyError, UnknownEnvironmentError
from environments.gymnasium_text import GymnasiumBenchmark
from environments.own_randomness import OwnRandomness

_DIRECTIONS = ("[up]", "[down]", "[left]", "[right]")
_PEGS = ("A", "B", "C")
_ACTIONS = {
    "FrozenLake": _DIRECTIONS,
    "Sokoban": _DIRECTIONS,
    "2048": _DIRECTIONS,
    "TowerOfHanoi": tuple(f"[{source} {target}]" for source in _PEGS for target in _PEGS if source != target),
}
"""Actions of games with few; all others leave them to the player."""
_GOAL_LENGTH = 200
_TEXT_LENGTH = 100_000


class TextArenaGame(gymnasium.Env[str, str]):
    """A game of TextArena as a gymnasium environment. The action's square brackets may be left out."""

    observation_space = gymnasium.spaces.Text(_TEXT_LENGTH)
    action_space = gymnasium.spaces.Text(_TEXT_LENGTH)

    def __init__(self, arena: Any, name: str) -> None:
        # Without TextArena's own wrappers, each observation has only what is new since the last one.
        self._arena, self._name = arena, name
        self._game: Any = None
        self._randomness = OwnRandomness(None)
        self._actions = _ACTIONS.get(name.partition("-")[0], ())

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._randomness = OwnRandomness(seed)
        with self._randomness.used():
            self._game = self._arena.make(f"{self._name}-raw")
            self._game.reset(num_players=1, seed=seed)
            observation = self._observation()
        return observation, {"goal": _goal(observation), "admissible_actions": self._actions}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        with self._randomness.used():
            done, _ = self._game.step(action if "[" in action else f"[{action}]")
            observation = self._observation()
        if not done:
            return observation, 0.0, False, False, {"admissible_actions": self._actions}
        rewards, notes = self._game.close()
        reward = float((rewards or {}).get(0, 0.0))
        ended = f"{observation}\n{notes[0].get('reason') or ''}".strip() or "The game is over."
        return ended, reward, True, False, {"won": reward >= 1, "score": reward}

    def __deepcopy__(self, memo: dict[int, Any]) -> TextArenaGame:
        twin = TextArenaGame(self._arena, self._name)
        twin._game = copy.deepcopy(self._game, memo)
        twin._randomness = copy.deepcopy(self._randomness, memo)
        return twin

    def _observation(self) -> str:
        _, messages = self._game.get_observation()
        own = self._arena.ObservationType.PLAYER_ACTION
        return "\n".join(text.strip() for _, text, kind in messages if kind is not own) or "(nothing new)"


def _goal(observation: str) -> str:
    """The first line of the rules, which says what is played."""
    return observation.strip().splitlines()[0][:_GOAL_LENGTH]


def load(settings: EnvironmentSettings) -> GymnasiumBenchmark:
    """The game `textarena:NAME`.

    Raises:
        MissingDependencyError: the package is not installed; the message has the command that installs it.
        UnknownEnvironmentError: there is no such game.
        BrokenEnvironmentError: it needs more than one player.
    """
    name = settings.name.partition(":")[2]
    try:
        import textarena
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{settings.name} needs {error.name}, which is not installed: {shown.installation('textarena')}"
        ) from error
    registry = textarena.envs.registration.ENV_REGISTRY
    games = {known for known in registry if f"{known}-raw" in registry}
    if name not in games:
        raise UnknownEnvironmentError(name, games)
    benchmark = GymnasiumBenchmark(settings, lambda: TextArenaGame(textarena, name), name)
    try:
        benchmark.environment().reset(seed=0)
    except AssertionError as error:
        raise BrokenEnvironmentError(f"textarena's {name} needs more than one player") from error
    except SyntaxError as error:
        raise BrokenEnvironmentError(
            f"textarena's {name} needs a newer version of Python: {error}"
        ) from error
    except LookupError as error:
        raise MissingDependencyError(
            f"textarena's {name} needs word lists of NLTK: python -m nltk.downloader words "
            "averaged_perceptron_tagger_eng"
        ) from error
    return benchmark
