"""The engine that needs only transformers: one thread runs the model, and asyncio callers wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

import torch

from core.errors import InvalidInputError, PromptTooLongError, UnavailableError
from core.freed_memory import return_free_memory
from serving.embedded.batch_loop import BatchLoop
from serving.embedded.decoding import Capture
from serving.embedded.requests import Change, Requests
from serving.embedded.runner import ModelRunner
from serving.embedded.scheduler import Scheduler, Sequence
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.model import DtypeName, ModelFolder, compute_device, compute_dtype
from serving.progress import ProgressWatch

_PROMPT_TOKENS = {"cpu": 1024, "cuda": 8192}
"""Number of prompt tokens that a step computes, about: as many as keep the device busy, and no more, because
the running answers wait for them."""
_WORTH_RETURNING = 64 * 2**20
"""Number of bytes of old weights whose memory is returned at once; the search for it takes a part of a second
of a core, and smaller pieces are used again."""
_JOIN_SECONDS = 1.0
"""Time that the thread of an engine that has failed gets to end; it may hang for ever."""


class EmbeddedEngine:
    """Implements `serving.engine.Engine` on transformers' model code.

    The current adapter is merged into the weights, so that it costs no time per token. A switch merges the
    new adapter while the old one serves, then waits until the running answers have ended; new ones wait for
    it.
    """

    def __init__(
        self,
        model: ModelFolder,
        dtype: DtypeName = "auto",
        threads: int = 1,
        context_length: int = 1024,
        max_batch: int = 8,
        max_queue: int = 256,
        stuck_seconds: float = 300.0,
        capture: Capture | None = None,
        kept_tokens: int = 4096,
    ) -> None:
        """Keeps prompts of up to `kept_tokens` tokens for later ones to copy from. Once it computes nothing
        for `stuck_seconds` although requests wait, it has failed. With `capture`, decode steps are captured
        and replayed."""
        self._model, self._dtype, self._threads = model, dtype, threads
        self._context_length, self._max_batch, self._kept_tokens = context_length, max_batch, kept_tokens
        self._stuck_seconds, self._capture = stuck_seconds, capture
        self._device = compute_device()
        scheduler = Scheduler(max_batch, _PROMPT_TOKENS[self._device.type])
        self._requests = Requests(scheduler, max_queue)
        self._loop = BatchLoop(self._requests, scheduler)
        self._runner: ModelRunner | None = None
        self._thread: threading.Thread | None = None
        self._failure: Future[EngineFailedError] = Future()
        self._changing = asyncio.Lock()

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def counters(self) -> EngineCounters:
        return self._loop.counters

    @property
    def adapter(self) -> LoadedAdapter | None:
        return self._loop.adapter

    async def start(self) -> None:
        """Loads the model and starts the thread that runs it."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="model", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        self._check(request)
        sequence = Sequence(request, Future())
        self._requests.add(sequence)
        return await asyncio.wrap_future(sequence.future)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        async with self._changing:
            staged = await asyncio.to_thread(self._stage, adapter.folder if adapter else None)
            await self._change(lambda runner: self._use(runner, staged, adapter))
            if sum(tensor.nbytes for tensor in staged.values()) >= _WORTH_RETURNING:
                # Without this, the memory of the old weights stays with the process, which grows with each
                # switch. Nobody waits for it.
                asyncio.get_running_loop().run_in_executor(None, return_free_memory)

    async def fall_asleep(self) -> None:
        async with self._changing:
            await self._change(ModelRunner.fall_asleep)

    async def wake_up(self) -> None:
        async with self._changing:
            await self._change(ModelRunner.wake_up)

    async def failure(self) -> EngineFailedError:
        watch, failed = ProgressWatch(self._stuck_seconds), asyncio.wrap_future(self._failure)
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(failed), watch.pause)
            if stuck := watch.look(self._loop.steps, self._requests.unanswered):
                # Its thread cannot be ended. If it wakes up, it finds that the engine is closed.
                self._end(EngineFailedError(stuck))

    async def close(self) -> None:
        self._requests.close(UnavailableError("the engine is closed"))
        if self._thread:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS if self._failure.done() else None)

    def _check(self, request: GenerationRequest) -> None:
        if not request.prompt_ids:
            raise InvalidInputError("prompt_ids: a prompt has at least one token")
        if request.max_new_tokens < 1:
            raise InvalidInputError(f"max_new_tokens: {request.max_new_tokens} is less than 1")
        if not 0 <= request.temperature < float("inf"):
            raise InvalidInputError(f"temperature: {request.temperature} is not a finite number >= 0")
        if (total := len(request.prompt_ids) + request.max_new_tokens) > self._context_length:
            raise PromptTooLongError(
                f"prompt_ids: {len(request.prompt_ids)} tokens and {request.max_new_tokens} for the answer "
                f"are {total}; the context length is {self._context_length}"
            )
        words = self._loaded.words
        if not 0 <= min(request.prompt_ids) <= max(request.prompt_ids) < words:
            raise InvalidInputError(f"prompt_ids: a token id is not in [0, {words})")

    @property
    def _loaded(self) -> ModelRunner:
        if self._runner is None:
            raise UnavailableError("the engine has not started")
        return self._runner

    def _stage(self, folder: Path | None) -> Mapping[str, torch.Tensor]:
        return self._loaded.weights.stage(folder, self._threads)

    async def _change(self, make: Callable[[ModelRunner], None]) -> None:
        """Has the model's thread make a change as soon as no sequence is running."""
        change = Change(make, Future())
        self._requests.ask(change)
        await asyncio.wrap_future(change.made)

    def _use(
        self, runner: ModelRunner, staged: Mapping[str, torch.Tensor], adapter: LoadedAdapter | None
    ) -> None:
        """Puts staged weights into the model; refuses those with which it overflows."""
        undo = runner.weights.use(staged, adapter.folder if adapter else None)
        if adapter and not runner.is_finite():
            undo()
            raise InvalidInputError("adapter: its weights are finite, but the model's logits with it are not")
        runner.forget()
        self._loop.adapter = adapter

    def _run(self, ready: Future[None]) -> None:
        """Loads the model and runs it until the engine ends; what the engine's thread does."""
        try:
            torch.set_num_threads(self._threads)
            self._runner = ModelRunner(
                self._model.path,
                compute_dtype(self._dtype),
                self._device,
                self._max_batch,
                self._context_length,
                self._kept_tokens,
                self._capture,
            )
        except BaseException as error:
            self._requests.close(UnavailableError("the engine has not started"))
            ready.set_exception(error)
            return
        ready.set_result(None)
        self._end(self._loop.run(self._runner))

    def _end(self, reason: UnavailableError) -> None:
        """Gives all waiting callers the reason why the thread has ended."""
        self._requests.close(reason)
        if isinstance(reason, EngineFailedError) and not self._failure.done():
            self._failure.set_result(reason)
        self._requests.fail_all(reason)
