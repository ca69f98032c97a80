"""An engine that sleeps: what it answers, what it waits for, and who wakes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.servers import ModelServerSettings
from core.errors import UnavailableError
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.engines import make_engine
from serving.sleep import SleepingEngine
from tests.serving.models import random_adapter, tiny_model

ASKED = GenerationRequest(tuple(range(1, 60)), 6, 1.0, 7, frozenset())


class StrictEngine:
    """Refuses what an engine with its weights away cannot do; requests end when the test says so."""

    context_length = 64

    def __init__(self) -> None:
        self.adapter: LoadedAdapter | None = None
        self.asleep = False
        self.breaks = False
        self.running: list[asyncio.Future[None]] = []

    @property
    def counters(self) -> EngineCounters:
        return EngineCounters(0, 0, 0)

    async def start(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        assert not self.asleep
        end: asyncio.Future[None] = asyncio.Future()
        self.running.append(end)
        try:
            await end
        finally:
            self.running.remove(end)
        assert not self.asleep
        return GenerationResult((1,), (0.0,), self.adapter, FinishReason.LENGTH)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        assert not self.asleep
        await asyncio.sleep(0)
        assert not self.asleep
        self.adapter = adapter

    async def fall_asleep(self) -> None:
        assert not self.asleep and not self.running
        await self._change()
        self.asleep = True

    async def wake_up(self) -> None:
        assert self.asleep and not self.running
        await self._change()
        self.asleep = False

    async def _change(self) -> None:
        await asyncio.sleep(0)
        if self.breaks:
            raise RuntimeError("CUDA out of memory")

    async def failure(self) -> EngineFailedError:
        return await asyncio.Future()

    async def close(self) -> None: ...


class Watched:
    """A sleeping engine whose pauses end when the test says so."""

    def __init__(self) -> None:
        self.inner = StrictEngine()
        self.engine = SleepingEngine(self.inner, self._pause)
        self.wanted = True
        self._pauses = asyncio.Event()

    async def _pause(self, seconds: float) -> None:
        await self._pauses.wait()

    async def sleep(self) -> None:
        await self.engine.sleep(lambda: self.wanted)

    async def look(self) -> None:
        """The engine looks whether it is still to sleep."""
        over, self._pauses = self._pauses, asyncio.Event()
        over.set()
        await settled()


async def settled() -> None:
    """Lets every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def adapter(version: int) -> LoadedAdapter:
    return LoadedAdapter(f"test@{version}", version, Path("nowhere"))


def test_it_sleeps_once_running_answers_have_ended_and_refuses_new_ones() -> None:
    async def work() -> None:
        watched = Watched()
        answer = asyncio.create_task(watched.engine.generate(ASKED))
        await settled()
        falling = asyncio.create_task(watched.sleep())
        await settled()
        assert watched.engine.asleep and not watched.inner.asleep
        with pytest.raises(UnavailableError, match="sleeps while the learner updates"):
            await watched.engine.generate(ASKED)
        watched.inner.running[0].set_result(None)
        await falling
        assert (await answer).token_ids == (1,) and watched.inner.asleep
        await watched.sleep()
        await watched.engine.switch(adapter(1))
        assert not watched.engine.asleep and not watched.inner.asleep
        assert watched.engine.adapter == adapter(1)
        await watched.engine.close()

    asyncio.run(work())


def test_it_wakes_when_nobody_wants_it_to_sleep_any_more() -> None:
    async def work() -> None:
        watched = Watched()
        await watched.sleep()
        await watched.look()
        assert watched.inner.asleep
        watched.wanted = False
        await watched.look()
        assert not watched.engine.asleep and not watched.inner.asleep
        await watched.engine.close()

    asyncio.run(work())


def test_whoever_asked_last_keeps_it_asleep() -> None:
    async def work() -> None:
        watched = Watched()
        await watched.sleep()
        other = True
        await watched.engine.sleep(lambda: other)
        watched.wanted = False
        await watched.look()
        assert watched.inner.asleep
        other = False
        await watched.look()
        assert not watched.inner.asleep
        await watched.engine.close()

    asyncio.run(work())


def test_a_caller_that_is_gone_leaves_it_asleep_and_the_look_wakes_it() -> None:
    async def work() -> None:
        watched = Watched()
        answer = asyncio.create_task(watched.engine.generate(ASKED))
        await settled()
        falling = asyncio.create_task(watched.sleep())
        await settled()
        falling.cancel()
        watched.wanted = False
        watched.inner.running[0].set_result(None)
        await answer
        await settled()
        assert not watched.engine.asleep and not watched.inner.asleep
        await watched.engine.close()

    asyncio.run(work())


@pytest.mark.parametrize("asleep", [False, True])
def test_an_engine_between_sleeping_and_waking_has_failed(asleep: bool) -> None:
    async def work() -> None:
        watched = Watched()
        failing = asyncio.create_task(watched.engine.failure())
        if asleep:
            await watched.sleep()
        watched.inner.breaks = True
        with pytest.raises(EngineFailedError, match="could not fall asleep or wake up: CUDA out of memory"):
            await (watched.engine.switch(None) if asleep else watched.sleep())
        assert "CUDA out of memory" in str(await failing)
        with pytest.raises(UnavailableError):
            await watched.engine.generate(ASKED)
        await watched.engine.close()

    asyncio.run(work())


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["ask", "end", "sleep", "switch", "lost", "look"]), max_size=30))
def test_in_any_order_the_engine_is_never_asked_for_what_it_cannot_do(steps: list[str]) -> None:
    async def work() -> None:
        watched, tasks = Watched(), []
        for version, step in enumerate(steps):
            if step == "ask":
                tasks.append(asyncio.create_task(watched.engine.generate(ASKED)))
            elif step == "end" and watched.inner.running:
                watched.inner.running[version % len(watched.inner.running)].set_result(None)
            elif step == "sleep":
                watched.wanted = True
                tasks.append(asyncio.create_task(watched.sleep()))
            elif step == "switch":
                tasks.append(asyncio.create_task(watched.engine.switch(adapter(version))))
            elif step == "lost":
                watched.wanted = False
            elif step == "look":
                await watched.look()
            await settled()
        for end in list(watched.inner.running):
            end.set_result(None)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, GenerationResult | UnavailableError), outcome
        watched.wanted = False
        await watched.look()
        assert not watched.engine.asleep and not watched.inner.asleep
        await watched.engine.close()

    asyncio.run(work())


def test_the_embedded_engine_answers_as_before_and_has_forgotten_all_prompts(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    random_adapter(model, tmp_path / "adapter", seed=1)
    loaded = LoadedAdapter("test@1", 1, tmp_path / "adapter")

    async def work() -> None:
        made = ModelServerSettings(dtype="float32", context_length=128, sleep_while_updating=True)
        engine = make_engine(model, made)
        assert isinstance(engine, SleepingEngine)
        await engine.start()
        await engine.switch(loaded)
        first = await engine.generate(ASKED)
        assert (await engine.generate(ASKED)).token_ids == first.token_ids
        copied = engine.counters.shared_prompt_tokens
        assert copied > 0
        await engine.sleep(lambda: False)
        with pytest.raises(UnavailableError, match="sleeps"):
            await engine.generate(ASKED)
        async with asyncio.timeout(20):
            while engine.asleep:
                await asyncio.sleep(0.001)
        again = await engine.generate(ASKED)
        assert (again.token_ids, again.adapter) == (first.token_ids, loaded)
        assert again.logprobs == pytest.approx(first.logprobs, abs=1e-5)
        assert engine.counters.shared_prompt_tokens == copied
        await engine.close()

    asyncio.run(work())


def test_an_engine_that_is_not_to_sleep_is_left_as_it_is(tmp_path: Path) -> None:
    engine = make_engine(tiny_model(tmp_path), ModelServerSettings())
    assert not isinstance(engine, SleepingEngine)
