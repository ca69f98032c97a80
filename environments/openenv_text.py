"""The environment of a running OpenEnv server, `openenv:http://HOST:PORT`; needs the package openenv-core.

Each environment opens its own session on the server. A snapshot is a new session in which the actions are
played again.
"""

from __future__ import annotations

import contextlib
import copy
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import gymnasium

from configuration.environment import EnvironmentSettings
from core import shown
from environments.errors import BrokenEnvironmentError, MissingDependencyError
from environments.gymnasium_text import GymnasiumBenchmark

_GOAL_FIELDS = ("goal", "instruction", "objective", "task")
_ACTION_FIELDS = ("admissible_actions", "available_actions", "legal_actions")
_WON_FIELDS = ("won", "is_success", "success")
_TEXT_LENGTH = 100_000
_SECONDS = 10.0
"""Time in which a server must say what its actions are."""


class OpenEnvGame(gymnasium.Env[str, str]):
    """A session on an OpenEnv server as a gymnasium environment; it begins with the first `reset`."""

    observation_space = gymnasium.spaces.Text(_TEXT_LENGTH)
    action_space = gymnasium.spaces.Text(_TEXT_LENGTH)

    def __init__(self, connect: Callable[[], Any], field: str) -> None:
        """`connect` returns a new synchronous client; the action is sent in this field."""
        self._connect, self._field = connect, field
        self._client: Any = None
        self._seed: int | None = None
        self._actions: list[str] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        if self._client is None:
            self._client = self._connect()
        self._seed, self._actions = seed, []
        fields = self._client.reset(seed=seed).observation
        return _text(fields), _info(fields)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self._actions.append(action)
        result = self._client.step({self._field: action})
        fields = result.observation
        return _text(fields), float(result.reward or 0.0), bool(result.done), False, _info(fields)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def __del__(self) -> None:
        # A server has only so many sessions.
        with contextlib.suppress(Exception):
            self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> OpenEnvGame:
        twin = OpenEnvGame(self._connect, self._field)
        twin.reset(seed=self._seed)
        for action in copy.copy(self._actions):
            twin.step(action)
        return twin


def _text(fields: dict[str, Any]) -> str:
    """An observation as text: its only text, or a line for each field."""
    shown = {
        name: value
        for name, value in fields.items()
        if value not in (None, "", [], {}) and name not in (*_ACTION_FIELDS, *_WON_FIELDS)
    }
    texts = [value for value in shown.values() if isinstance(value, str)]
    if len(shown) == len(texts) == 1:
        return texts[0]
    lines = (
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    )
    return "\n".join(lines) or "(nothing)"


def _info(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of an observation that are no part of the text, by gymnasium's names."""
    info = {name: fields[name] for name in (*_GOAL_FIELDS, *_WON_FIELDS) if name in fields}
    for name in _ACTION_FIELDS:
        listed = fields.get(name)
        if isinstance(listed, list) and listed and all(isinstance(each, str) for each in listed):
            info["admissible_actions"] = listed
    return info


def load(settings: EnvironmentSettings) -> GymnasiumBenchmark:
    """The environment of the server `openenv:URL`, or `openenv:URL#FIELD` to say where the action belongs.

    Raises:
        MissingDependencyError: the package is not installed; the message has the command that installs it.
        BrokenEnvironmentError: no server answers there, or its actions are not a text.
    """
    url, _, named = settings.name.partition(":")[2].partition("#")
    try:
        from openenv.core.generic_client import GenericEnvClient
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{settings.name} needs {error.name}, which is not installed: {shown.installation('openenv')}"
        ) from error
    field = _action_field(url, named)

    def connect() -> Any:
        return GenericEnvClient(base_url=url).sync().connect()

    return GymnasiumBenchmark(settings, lambda: OpenEnvGame(connect, field), url.rpartition("/")[2])


def _action_field(url: str, named: str) -> str:
    """The field of the server's actions that takes the text."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/schema", timeout=_SECONDS) as answer:
            fields = json.load(answer)["action"]["properties"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenEnvironmentError(f"no OpenEnv server answers at {url}: {error}") from error
    texts = [name for name, described in fields.items() if described.get("type") == "string"]
    if named in texts:
        return named
    if named or len(texts) != 1:
        raise BrokenEnvironmentError(
            f"the server at {url} takes actions with the text fields {', '.join(texts) or '(none)'}; "
            f"openenv:{url}#FIELD names the one for the action"
        )
    return texts[0]
