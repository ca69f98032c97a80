"""Bounded retries with growing, jittered pauses; no real time passes."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ExhaustedError, HiperError, InvalidInputError, UnavailableError
from serving.rpc.retry import Retrier, RetryPolicy


class Scripted:
    """A call that fails with each of the errors in turn and then succeeds."""

    def __init__(self, *errors: HiperError) -> None:
        self._errors = list(errors)
        self.calls = 0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def call(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "answer"

    def run(self, attempts: int, seed: int = 0) -> str:
        return asyncio.run(Retrier(RetryPolicy(attempts=attempts, seed=seed, sleep=self.sleep))(self.call))


def test_tries_until_it_succeeds() -> None:
    script = Scripted(UnavailableError("down"), ExhaustedError("full"))
    assert script.run(attempts=4) == "answer"
    assert script.calls == 3
    assert len(script.pauses) == 2


def test_gives_up_with_the_last_error() -> None:
    script = Scripted(*(UnavailableError(f"down {n}") for n in range(9)))
    with pytest.raises(UnavailableError, match="down 2"):
        script.run(attempts=3)
    assert script.calls == 3


def test_what_waiting_does_not_cure_is_not_tried_again() -> None:
    script = Scripted(InvalidInputError("too long"))
    with pytest.raises(InvalidInputError):
        script.run(attempts=5)
    assert script.calls == 1
    assert script.pauses == []


def test_the_same_seed_gives_the_same_pauses() -> None:
    pauses = []
    for seed in (1, 1, 2):
        script = Scripted(*(UnavailableError("down") for _ in range(4)))
        script.run(attempts=5, seed=seed)
        pauses.append(script.pauses)
    assert pauses[0] == pauses[1] != pauses[2]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers())
def test_pauses_grow_to_a_bound(failures: int, seed: int) -> None:
    policy = RetryPolicy(attempts=31, first_pause=0.25, growth=2.0, longest_pause=5.0)
    bound = min(5.0, 0.25 * 2.0 ** (failures - 1))
    assert bound / 2 <= policy.pause(failures, random.Random(seed)) <= bound
