"""Environments from outside: gymnasium's as they are, and those that break the contract."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark
from environments.contract import check
from environments.errors import BrokenEnvironmentError, NoDemonstrationError, UnknownEnvironmentError
from environments.guarded import GuardedBenchmark
from environments.registry import load

WORDS = ("red", "green", "blue")


class GuessTheColour(gymnasium.Env[str, str]):
    """A text environment that knows nothing of this project."""

    observation_space = gymnasium.spaces.Text(200)
    action_space = gymnasium.spaces.Text(20)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self._colour = WORDS[self.np_random.integers(3)]
        return "Guess the colour.\nIt is one of three.", {"admissible_commands": list(WORDS)}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        right = action == self._colour
        return ("Right." if right else "Wrong."), float(right), right, False, {}


class Numbers(GuessTheColour):
    observation_space = gymnasium.spaces.Discrete(3)  # type: ignore[assignment]


@pytest.fixture
def colours() -> Iterator[str]:
    gymnasium.register("Colour-v0", GuessTheColour)
    gymnasium.register("Numbers-v0", Numbers)
    yield "gymnasium:Colour-v0"
    del gymnasium.registry["Colour-v0"], gymnasium.registry["Numbers-v0"]


def settings(name: str, step_limit: int = 8) -> EnvironmentSettings:
    return EnvironmentSettings(name=name, step_limit=step_limit, generator=GeneratorSettings(games=20))


def test_a_gymnasium_environment_is_played_as_it_is(colours: str) -> None:
    benchmark = load(settings(colours))
    assert [result for result in check(benchmark, 8) if result.problems] == []
    environment, task = benchmark.environment(), benchmark.tasks("train")[3]
    _, info = environment.reset(options={"task": task.id})
    assert (info["goal"], info["admissible_actions"], info["task_id"]) == (
        "Guess the colour.",
        WORDS,
        task.id,
    )
    answers = [environment.step("black"), environment.step("brown")]
    assert [answer[0] for answer in answers] == ["Wrong.", "Wrong."]
    assert answers[0][4]["admissible_actions"] == (), "they are optional"
    while not (answer := environment.step(WORDS[len(answers) % 3]))[2]:
        answers.append(answer)
    assert (answer[1], answer[4]["won"], answer[4]["score"]) == (1.0, True, 1.0)


def test_gymnasium_environments_without_text_or_demonstrations_say_so(colours: str) -> None:
    with pytest.raises(BrokenEnvironmentError, match="observations of Discrete; only"):
        load(settings("gymnasium:Numbers-v0"))
    with pytest.raises(UnknownEnvironmentError, match="Did you mean Colour-v0"):
        load(settings("gymnasium:Color-v0"))
    benchmark = load(settings(colours))
    with pytest.raises(NoDemonstrationError, match="--no-warm-start"):
        benchmark.demonstration(benchmark.tasks("train")[0])


class Broken:
    """The environment of another benchmark, with one thing changed."""

    def __init__(self, inner: Any, change: str) -> None:
        self._inner, self._change = inner, change

    def reset(self, **given: Any) -> tuple[Any, Any]:
        observation, info = self._inner.reset(**given)
        if self._change == "no goal":
            del info["goal"]
        return (b"bytes" if self._change == "bytes" else observation), info

    def snapshot(self) -> Broken:
        return Broken(self._inner.snapshot(), self._change)

    def step(self, action: str) -> tuple[Any, ...]:
        observation, reward, terminated, truncated, info = self._inner.step(action)
        if self._change == "raises":
            raise KeyError("a bug")
        if self._change == "reward":
            reward = math.nan
        if self._change == "score":
            info = {**info, "score": 7}
        if self._change == "actions":
            info = {**info, "admissible_actions": "look"}
        return observation, reward, terminated, truncated, info


def guarded(change: str) -> Benchmark:
    inner = load(EnvironmentSettings(source="generated", generator=GeneratorSettings(games=6)))

    class Changed:
        name, splits, telling = "changed", inner.splits, inner.telling
        tasks, demonstration, policy = inner.tasks, inner.demonstration, inner.policy

        def environment(self) -> Any:
            return Broken(inner.environment(), change)

    return GuardedBenchmark(Changed())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no goal", "task (.*), reset: info has no goal"),
        ("bytes", "reset: the observation is a bytes, not text"),
        ("raises", "task train.*, turn 0: raised KeyError: 'a bug'"),
        ("reward", "turn 0: the reward is nan, not a finite number"),
        ("score", r"turn 0: info's score is 7, not a number in \[0, 1\]"),
        ("actions", "turn 0: info's admissible_actions are a str"),
    ],
)
def test_what_breaks_the_contract_is_named_with_task_and_turn(change: str, message: str) -> None:
    benchmark = guarded(change)
    environment = benchmark.environment()
    with pytest.raises(BrokenEnvironmentError, match=message):
        environment.reset(options={"task": benchmark.tasks("train")[0].id})
        environment.step("look")
    problems = [problem for result in check(benchmark, 50) for problem in result.problems]
    assert any("environment changed" in problem for problem in problems)


def test_a_sound_environment_passes_the_guard() -> None:
    assert [result for result in check(guarded("nothing"), 50) if result.problems] == []
