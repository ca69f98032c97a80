"""Retries within a bounded time, with growing, jittered pauses; no real time passes."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import (
    BehindError,
    ExhaustedError,
    HiperError,
    InvalidInputError,
    LapsedError,
    SlowError,
    UnavailableError,
)
from serving.rpc.retry import Retrier, RetryPolicy


class Scripted:
    """A call that fails with each of the errors in turn and then succeeds; each try takes `seconds`."""

    def __init__(self, *errors: HiperError, seconds: float = 0.0) -> None:
        self._errors = list(errors)
        self._seconds = seconds
        self.now = 100.0
        self.calls = 0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def call(self) -> str:
        self.calls += 1
        self.now += self._seconds
        if self._errors:
            raise self._errors.pop(0)
        return "answer"

    def run(self, patience: float, seed: int = 0) -> str:
        policy = RetryPolicy(patience, seed=seed, sleep=self.sleep, clock=lambda: self.now)
        return asyncio.run(Retrier(policy)(self.call))


def test_tries_until_it_succeeds() -> None:
    errors = UnavailableError("down"), ExhaustedError("full"), SlowError("slow"), BehindError("behind")
    script = Scripted(*errors)
    assert script.run(patience=300) == "answer"
    assert script.calls == 5
    assert len(script.pauses) == 4


def test_a_server_that_is_away_for_minutes_is_waited_for() -> None:
    script = Scripted(*(SlowError("slow") for _ in range(3)), seconds=60.0)
    assert script.run(patience=300) == "answer"


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1000), st.integers(0, 9), st.floats(0, 60))
def test_gives_up_with_the_last_error_within_its_patience(patience: float, seed: int, seconds: float) -> None:
    script = Scripted(*(UnavailableError(f"down {n}") for n in range(100_000)), seconds=seconds)
    with pytest.raises(UnavailableError) as caught:
        script.run(patience, seed)
    assert str(caught.value) == f"down {script.calls - 1}"
    began_last = script.now - seconds - 100.0
    assert began_last <= patience + 1e-6
    # One pause more would not have fitted.
    assert script.now + 5.0 - 100.0 > patience - 1e-6


def test_with_no_patience_there_is_one_try() -> None:
    script = Scripted(UnavailableError("down"))
    with pytest.raises(UnavailableError):
        script.run(patience=0)
    assert script.calls == 1


@pytest.mark.parametrize("error", [InvalidInputError("too long"), LapsedError("lapsed")])
def test_what_waiting_does_not_cure_is_not_tried_again(error: HiperError) -> None:
    script = Scripted(error)
    with pytest.raises(type(error)):
        script.run(patience=300)
    assert script.calls == 1
    assert script.pauses == []


def test_the_same_seed_gives_the_same_pauses() -> None:
    pauses = []
    for seed in (1, 1, 2):
        script = Scripted(*(UnavailableError("down") for _ in range(4)))
        script.run(patience=300, seed=seed)
        pauses.append(script.pauses)
    assert pauses[0] == pauses[1] != pauses[2]


@settings(deadline=None, max_examples=50)
@given(st.one_of(st.integers(1, 30), st.just(10**6)), st.integers())
def test_pauses_grow_to_a_bound(failures: int, seed: int) -> None:
    policy = RetryPolicy(patience=300, first_pause=0.25, growth=2.0, longest_pause=5.0)
    bound = min(5.0, 0.25 * 2.0 ** (min(failures, 30) - 1))
    assert bound / 2 <= policy.pause(failures, random.Random(seed)) <= bound
