"""The client of OpenEnv servers, on a real server; needs the package openenv-core, an extra."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark
from environments.contract import check
from environments.errors import BrokenEnvironmentError
from environments.registry import load
from tests.extras import need

Start = Callable[..., str]
"""Starts a server whose actions have these text fields; its address."""


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    need("openenv", "openenv")
    import uvicorn
    from openenv.core.env_server.http_server import create_fastapi_app
    from openenv.core.env_server.interfaces import Environment
    from openenv.core.env_server.types import Action, Observation, State
    from pydantic import create_model

    class Seen(Observation):
        text: str = ""
        available_actions: tuple[str, ...] = ()

    class Doors(Environment[Any, Seen, State]):
        """Behind one of three doors is the prize; which one depends on the seed."""

        SUPPORTS_CONCURRENT_SESSIONS = True

        def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Seen:
            self._prize = f"open door {(seed or 0) % 3}"
            return Seen(text="Find the prize.\nThere are three doors.", available_actions=self._doors())

        def step(self, action: Any, timeout_s: float | None = None, **_: Any) -> Seen:
            if action.message == "crash":
                raise ValueError("the door is stuck")
            found = action.message == self._prize
            text = "The prize!" if found else "Nothing."
            return Seen(text=text, available_actions=self._doors(), done=found, reward=float(found))

        @property
        def state(self) -> State:
            return State()

        def _doors(self) -> tuple[str, ...]:
            return tuple(f"open door {number}" for number in range(3))

    servers = []

    def started(*fields: str) -> str:
        texts: dict[str, Any] = dict.fromkeys(fields, (str, ...))
        kind = create_model("Spoken", __base__=Action, **texts)
        app = create_fastapi_app(Doors, kind, Seen, max_concurrent_envs=64)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        # It listens already, so that whoever connects before the server runs is answered a little later.
        listening = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield started
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def doors(start: Start) -> str:
    return start("message")


def game(url: str) -> Benchmark:
    return load(
        EnvironmentSettings(name=f"openenv:{url}", step_limit=6, generator=GeneratorSettings(games=6))
    )


def test_a_server_keeps_the_contract(doors: str) -> None:
    assert [result for result in check(game(doors), 6) if result.problems] == []


def test_an_episode_is_played_to_its_end(doors: str) -> None:
    benchmark = game(doors)
    environment, task = benchmark.environment(), benchmark.tasks("train")[4]
    observation, info = environment.reset(options={"task": task.id})
    assert (observation, info["goal"]) == ("Find the prize.\nThere are three doors.", "Find the prize.")
    assert info["admissible_actions"] == ("open door 0", "open door 1", "open door 2")
    assert environment.step("open door 0")[:3] == ("Nothing.", 0.0, False)
    observation, reward, terminated, _, info = environment.step("open door 1")
    assert (observation, reward, terminated, info["won"]) == ("The prize!", 1.0, True, True)
    environment.close()


def test_an_error_of_the_server_is_told_with_task_and_turn(doors: str) -> None:
    benchmark = game(doors)
    environment, task = benchmark.environment(), benchmark.tasks("train")[0]
    environment.reset(options={"task": task.id})
    environment.step("open door 2")
    with pytest.raises(BrokenEnvironmentError, match=f"task {task.id}, turn 1: raised .*the door is stuck"):
        environment.step("crash")


def test_what_cannot_be_played_is_said(start: Start) -> None:
    with pytest.raises(BrokenEnvironmentError, match="no OpenEnv server answers at http://127.0.0.1:1:"):
        game("http://127.0.0.1:1")
    two = start("message", "tone")
    with pytest.raises(BrokenEnvironmentError, match=f"text fields message, tone; openenv:{two}#FIELD names"):
        game(two)
    assert game(f"{two}#message").tasks("train")
    with pytest.raises(BrokenEnvironmentError, match="text fields message, tone"):
        game(f"{two}#words")
