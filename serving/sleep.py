"""An engine that sleeps while the learner makes an update on the GPU that they share.

It falls asleep when the learner asks for it, and wakes before it switches to the adapter that the update has
made.
A learner that is gone never pushes one: then it wakes because nobody wants it to sleep any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from core.errors import UnavailableError
from core.together import cancelled
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
    SleepableEngine,
)

_LOOK_SECONDS = 1.0
"""Pause between two looks at whether the engine should still sleep."""


class SleepingEngine:
    """Implements `serving.engine.Engine` on an engine that can sleep. Used in one event loop."""

    def __init__(
        self, engine: SleepableEngine, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """`pause` waits for a number of seconds."""
        self._engine, self._pause = engine, pause
        self._asleep = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._changing = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._failure: EngineFailedError | None = None
        self._failed = asyncio.Event()

    @property
    def asleep(self) -> bool:
        """Whether it answers no requests, because it sleeps or is about to."""
        return self._asleep

    @property
    def context_length(self) -> int:
        return self._engine.context_length

    @property
    def counters(self) -> EngineCounters:
        return self._engine.counters

    @property
    def adapter(self) -> LoadedAdapter | None:
        return self._engine.adapter

    async def start(self) -> None:
        await self._engine.start()

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        """Samples an answer; raises `UnavailableError` while it sleeps."""
        if self._asleep:
            raise UnavailableError("the server sleeps while the learner updates; try again later")
        with self._request():
            return await self._engine.generate(request)

    async def sleep(self, wanted: Callable[[], bool]) -> None:
        """Gives up its memory once the running requests have ended; refuses new ones meanwhile.

        It is completed even if the caller is cancelled.

        Args:
            wanted: Says whether it should still sleep; asked once a second. If not, the engine wakes.

        Raises:
            EngineFailedError: it could not; only a new process can answer again.
        """
        await asyncio.shield(asyncio.ensure_future(self._sleep(wanted)))

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        """Wakes if it sleeps, then switches."""
        async with self._changing:
            await self._wake()
            await self._engine.switch(adapter)

    async def failure(self) -> EngineFailedError:
        engine = asyncio.ensure_future(self._engine.failure())
        own = asyncio.ensure_future(self._failed.wait())
        try:
            await asyncio.wait((engine, own), return_when=asyncio.FIRST_COMPLETED)
            return self._failure or engine.result()
        finally:
            await cancelled(engine, own)

    async def close(self) -> None:
        if self._looking is not None:
            await cancelled(self._looking)
        await self._engine.close()

    @contextmanager
    def _request(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if self._running == 0:
                self._idle.set()

    async def _sleep(self, wanted: Callable[[], bool]) -> None:
        async with self._changing:
            if not self._asleep:
                self._asleep = True
                await self._idle.wait()
                await self._change(self._engine.fall_asleep())
            if self._looking is not None:
                # It does not wake the engine now, as it would need the lock for that.
                self._looking.cancel()
            self._looking = asyncio.create_task(self._wake_when_unwanted(wanted))

    async def _wake_when_unwanted(self, wanted: Callable[[], bool]) -> None:
        while self._asleep and wanted():
            await self._pause(_LOOK_SECONDS)
        async with self._changing:
            with suppress(EngineFailedError):  # which `failure` returns
                await self._wake()

    async def _wake(self) -> None:
        if self._asleep:
            await self._change(self._engine.wake_up())
            self._asleep = False

    async def _change(self, change: Awaitable[None]) -> None:
        """Awaits a change; an engine that is left between sleeping and waking has failed for good."""
        try:
            await change
        except Exception as error:
            self._failure = EngineFailedError(f"the engine could not fall asleep or wake up: {error}")
            self._failed.set()
            raise self._failure from error
