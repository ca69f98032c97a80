"""A benchmark from outside whose environment breaks the contract at given moments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from environments.benchmark import Benchmark
from environments.errors import EpisodeError
from environments.guarded import GuardedBenchmark

RESET = -1
"""The moment of `reset`, in place of the number of a turn."""

Moment = tuple[str, int]
"""Task id, and turn."""


class BreakingEnvironment:
    """Another environment, with faults at some moments; afterwards it cannot even be closed."""

    def __init__(self, inner: Any, faults: Mapping[Moment, str]) -> None:
        self._inner, self._faults = inner, faults
        self._broken = False

    def reset(self, **given: Any) -> tuple[Any, Any]:
        self._task, self._turn = given["options"]["task"], RESET
        observation, info = self._inner.reset(**given)
        return self._spoilt((observation, info))

    def step(self, action: str) -> tuple[Any, ...]:
        self._turn += 1
        return self._spoilt(self._inner.step(action))

    def close(self) -> None:
        if self._broken:
            raise RuntimeError("cannot be closed")

    def _spoilt(self, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        fault = self._faults.get((self._task, self._turn))
        self._broken = self._broken or fault is not None
        if fault == "raises":
            raise KeyError("a bug")
        if fault == "over":
            raise EpisodeError("the episode is over: call reset before the next step")
        if fault == "bytes":
            return (b"bytes", *answer[1:])
        if fault == "nan":
            return (answer[0], math.nan, *answer[2:])
        if fault == "surrogate":
            return ("\ud800", *answer[1:])
        if fault == "no goal":
            return (*answer[:-1], {name: value for name, value in answer[-1].items() if name != "goal"})
        return answer


class BreakingBenchmark:
    """The tasks and players of another benchmark, and environments with faults."""

    def __init__(self, inner: Benchmark, faults: Mapping[Moment, str]) -> None:
        self.name, self.splits, self.telling = "breaking", inner.splits, inner.telling
        self.tasks, self.demonstration, self.policy = inner.tasks, inner.demonstration, inner.policy
        self._inner, self._faults = inner, faults
        self.made = 0
        """Number of environments so far."""

    def environment(self) -> Any:
        self.made += 1
        return BreakingEnvironment(self._inner.environment(), self._faults)


def guarded(benchmark: BreakingBenchmark) -> Benchmark:
    """The benchmark as the registry hands it out."""
    return GuardedBenchmark(benchmark)
