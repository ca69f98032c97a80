"""The bookkeeping of adapters in vLLM, on a stand-in for it that refuses what vLLM cannot do.

`vllm_engine_test` runs the engine on vLLM itself where that is installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import HiperError, InvalidInputError, UnavailableError
from serving.engine import BASE_VERSION
from serving.vllm_adapters import Closing, ServedAdapters
from tests.serving.vllm_stand_in import Requests, StandIn, adapter


def played(play: Callable[[StandIn, ServedAdapters[int], Requests], Coroutine[Any, Any, None]]) -> StandIn:
    engine = StandIn()

    async def run() -> None:
        adapters: ServedAdapters[int] = ServedAdapters(lambda _, number: number)
        await play(engine, adapters, Requests(engine, adapters))

    asyncio.run(run())
    return engine


async def settled() -> None:
    """Lets every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_each_version_is_a_new_id_and_the_old_one_goes() -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        assert requests.begin().version == BASE_VERSION
        requests.end()
        for version, loaded in ((4, {1}), (5, {2}), (4, {3})):
            await adapters.switch(engine, adapter(version))
            assert (requests.begin().version, engine.loaded) == (version, loaded)
            requests.end()
        await adapters.switch(engine, None)
        assert (requests.begin().version, engine.loaded) == (BASE_VERSION, set())

    played(play)


def test_a_switch_lets_requests_end_also_where_others_have_ended_before() -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        await adapters.switch(engine, adapter(0))
        requests.begin()
        requests.end()
        requests.begin()
        switching = asyncio.ensure_future(adapters.switch(engine, adapter(1)))
        await settled()
        assert not switching.done()
        assert requests.begin().version == 1
        assert engine.loaded == {1, 2}
        requests.end(0)
        await switching
        assert engine.loaded == {2}

    played(play)


def test_an_adapter_that_is_refused_changes_nothing() -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        await adapters.switch(engine, adapter(0))
        engine.refuse_to_load = True
        with pytest.raises(InvalidInputError, match="vLLM does not take adapter test@1: no such adapter"):
            await adapters.switch(engine, adapter(1))
        assert (requests.begin().version, engine.loaded) == (0, {1})

    played(play)


def test_a_removal_that_fails_does_not_fail_the_switch_and_is_tried_again() -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        await adapters.switch(engine, adapter(0))
        engine.refuse_to_remove = True
        await adapters.switch(engine, adapter(1))
        assert (requests.begin().version, engine.loaded) == (1, {1, 2})
        requests.end()
        engine.refuse_to_remove = False
        await adapters.switch(engine, adapter(2))
        assert (requests.begin().version, engine.loaded) == (2, {3})

    played(play)


def test_a_switch_whose_caller_is_gone_has_happened_and_is_tidied_by_the_next() -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        await adapters.switch(engine, adapter(0))
        requests.begin()
        switching = asyncio.ensure_future(adapters.switch(engine, adapter(1)))
        await settled()
        switching.cancel()
        await settled()
        assert requests.begin().version == 1
        requests.end(0)
        requests.end(0)
        await adapters.switch(engine, adapter(2))
        assert engine.loaded == {3}

    played(play)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(["begin", "end", "switch", "base", "refuse to load"]), max_size=30))
def test_no_adapter_is_removed_under_a_request_and_none_stays(steps: list[str]) -> None:
    async def play(engine: StandIn, adapters: ServedAdapters[int], requests: Requests) -> None:
        switches = []
        for version, step in enumerate(steps):
            if step == "begin":
                requests.begin()
            elif step == "end" and requests:
                requests.end(version % len(requests))
            elif step == "refuse to load":
                engine.refuse_to_load = not engine.refuse_to_load
            elif step in ("switch", "base"):
                wanted = adapter(version) if step == "switch" else None
                switches.append(asyncio.ensure_future(adapters.switch(engine, wanted)))
            await settled()
        while requests:
            requests.end()
        for outcome in await asyncio.gather(*switches, return_exceptions=True):
            assert outcome is None or isinstance(outcome, InvalidInputError)
        engine.refuse_to_load = False
        await adapters.switch(engine, adapter(99))
        assert requests.begin().version == 99
        assert len(engine.loaded) == 1

    played(play)


def test_closing_ends_what_runs_and_refuses_what_comes() -> None:
    async def play() -> None:
        closing, cancelled = Closing(), asyncio.Event()

        async def never() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async def fails() -> None:
            raise HiperError("of the answer")

        async def answers() -> str:
            return "answer"

        assert await closing.unless_closed(answers()) == "answer"
        with pytest.raises(HiperError, match="of the answer"):
            await closing.unless_closed(fails())
        waiting = asyncio.ensure_future(closing.unless_closed(never()))
        await settled()
        closing.close()
        with pytest.raises(UnavailableError, match="closed"):
            await waiting
        await asyncio.wait_for(cancelled.wait(), 5)

    asyncio.run(play())
