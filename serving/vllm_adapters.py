"""Switches adapters in an engine that can serve several at a time, and removes the old ones later.

It does not import vLLM, so that it can be tested where vLLM is not installed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from core.errors import HiperError, InvalidInputError, UnavailableError
from serving.engine import BASE_VERSION, LoadedAdapter

_log = logging.getLogger(__name__)

_ABORT_SECONDS = 5.0

ResultT = TypeVar("ResultT")
RequestT = TypeVar("RequestT")


class LoraEngine(Protocol):
    """The methods of vLLM's AsyncLLM that are needed."""

    async def add_lora(self, lora_request: Any) -> bool | None: ...

    async def remove_lora(self, lora_id: int) -> bool | None: ...


class Served(Generic[RequestT]):
    """An adapter, or the base model alone, with the number of requests running on it."""

    def __init__(self, adapter: LoadedAdapter | None, number: int, lora: RequestT | None) -> None:
        self.adapter = adapter
        self.number = number
        """Id of the adapter in vLLM."""
        self.lora = lora
        """Adapter as the engine knows it; None for the base model alone."""
        self._running = 0
        self._drained = asyncio.Event()
        self._drained.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request while it is running."""
        self._running += 1
        self._drained.clear()
        try:
            yield
        finally:
            self._running -= 1
            if self._running == 0:
                self._drained.set()

    @property
    def version(self) -> int:
        return self.adapter.version if self.adapter else BASE_VERSION

    @property
    def running(self) -> int:
        return self._running

    async def drained(self) -> None:
        """Waits until no request is running on it."""
        await self._drained.wait()


class ServedAdapters(Generic[RequestT]):
    """Loads each adapter beside the one before, and removes that when its last request has ended."""

    def __init__(self, make_request: Callable[[LoadedAdapter, int], RequestT]) -> None:
        """`make_request` makes the engine's description of an adapter from the adapter and a new id."""
        self._make_request = make_request
        self._served: Served[RequestT] = Served(None, 0, None)
        self._to_remove: list[Served[RequestT]] = []
        self._last_number = 0
        self._switching = asyncio.Lock()

    @property
    def adapter(self) -> LoadedAdapter | None:
        """What answers a request that begins now; None for the base model alone."""
        return self._served.adapter

    @contextmanager
    def request(self) -> Iterator[Served[RequestT]]:
        """The adapter for a request that begins now, which is not removed before the request ends."""
        served = self._served
        with served.request():
            yield served

    async def switch(self, engine: LoraEngine, adapter: LoadedAdapter | None) -> None:
        """Switches to `adapter`; returns once the requests of the one before have ended.

        Raises:
            InvalidInputError: the engine does not accept it; nothing has changed.
        """
        async with self._switching:
            # An adapter that could not be removed earlier would take up the place of the new one.
            await self._remove_old(engine)
            new: Served[RequestT] = Served(None, 0, None)
            if adapter is not None:
                self._last_number += 1
                lora = self._make_request(adapter, self._last_number)
                await _load(engine, lora, adapter.name)
                new = Served(adapter, self._last_number, lora)
            old, self._served = self._served, new
            self._to_remove.append(old)
            await old.drained()
            await self._remove_old(engine)

    async def _remove_old(self, engine: LoraEngine) -> None:
        """Removes what no request runs on; a removal that fails is tried again at the next switch."""
        for old in list(self._to_remove):
            if old.running:
                continue
            if old.lora is not None and not await _removed(engine, old.number):
                continue
            self._to_remove.remove(old)


async def _load(engine: LoraEngine, lora: object, name: str) -> None:
    try:
        loaded = await engine.add_lora(lora)
    except Exception as error:
        raise InvalidInputError(f"vLLM does not take adapter {name}: {error}") from error
    if loaded is False:
        raise HiperError(f"vLLM did not load adapter {name}")


async def _removed(engine: LoraEngine, number: int) -> bool:
    # An error here must not fail the switch, which has already happened.
    try:
        await engine.remove_lora(number)
    except Exception:
        _log.exception("vLLM did not remove adapter %d; it is tried again at the next switch", number)
        return False
    return True


class Closing:
    """Ends running requests with an error once the engine is closed; vLLM would let them wait for ever."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    def close(self) -> None:
        self._closed.set()

    async def unless_closed(self, answer: Awaitable[ResultT]) -> ResultT:
        """Waits for an answer.

        Raises:
            UnavailableError: the engine was closed first; the request is cancelled.
        """
        answering = asyncio.ensure_future(answer)
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((answering, closed), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            raise UnavailableError("the engine was closed before the answer was complete")
        finally:
            closed.cancel()
            answering.cancel()
            # The request counts as running until the engine has dropped it, which a closed one may never do.
            await asyncio.wait((answering,), timeout=_ABORT_SECONDS)
