"""The engine that needs only transformers: one thread runs the model, and asyncio callers wait for it.

The waiting queue, the pending switch and `_closed` are shared with the callers and guarded by `_wake`; the
rest is changed by the model's thread alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from pathlib import Path

import torch

from core.errors import (
    HiperError,
    InvalidInputError,
    PromptTooLongError,
    QueueFullError,
    UnavailableError,
)
from core.freed_memory import return_free_memory
from serving.embedded.decoding import Capture
from serving.embedded.runner import ModelRunner, Sampled
from serving.embedded.scheduler import Scheduler, Sequence
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.model import DtypeName, ModelFolder, compute_device, compute_dtype
from serving.progress import ProgressWatch

_log = logging.getLogger(__name__)

_FAILING_STEPS = 3
"""Number of failed steps in a row after which the fault is not a single batch's, and only a new process
helps."""
_PROMPT_TOKENS = {"cpu": 1024, "cuda": 8192}
"""Number of prompt tokens that a step computes, about: as many as keep the device busy, and no more, because
the running answers wait for them."""
_JOIN_SECONDS = 1.0
"""Time that the thread of an engine that has failed gets to end; it may hang for ever."""


@dataclass(frozen=True)
class _Switch:
    """Merged weights that are waiting until no request is running."""

    adapter: LoadedAdapter | None
    staged: Mapping[str, torch.Tensor]
    future: Future[None]


@dataclass(frozen=True)
class _Nap:
    """The beginning or the end of a sleep, which waits until no request is running."""

    change: Callable[[ModelRunner], None]
    future: Future[None]


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
    ) -> None:
        """Once it computes nothing for `stuck_seconds` although requests wait, it has failed. With `capture`,
        decode steps are captured and replayed."""
        self._model, self._dtype, self._threads = model, dtype, threads
        self._context_length, self._max_batch, self._max_queue = context_length, max_batch, max_queue
        self._capture = capture
        self._device = compute_device()
        self._scheduler = Scheduler(max_batch, _PROMPT_TOKENS[self._device.type])
        self._runner: ModelRunner | None = None
        self._adapter: LoadedAdapter | None = None
        self._pending: _Switch | _Nap | None = None
        self._switching = asyncio.Lock()
        self._wake = threading.Condition()
        self._closed = False
        self._failure: Future[EngineFailedError] = Future()
        self._failed_steps = 0
        self._thread: threading.Thread | None = None
        self._stuck_seconds = stuck_seconds
        self._steps_made = 0
        self._generated = self._computed = self._copied = 0

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def counters(self) -> EngineCounters:
        return EngineCounters(self._generated, self._computed, self._copied)

    @property
    def adapter(self) -> LoadedAdapter | None:
        return self._adapter

    async def start(self) -> None:
        """Loads the model and starts the thread that runs it."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="model", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        self._check(request)
        sequence = Sequence(request, Future())
        with self._wake:
            self._check_open()
            if len(self._scheduler.waiting) >= self._max_queue:
                raise QueueFullError(f"{self._max_queue} requests wait already; try again later")
            self._scheduler.waiting.append(sequence)
            self._wake.notify()
        return await asyncio.wrap_future(sequence.future)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        async with self._switching:
            folder = adapter.folder if adapter else None
            staged = await asyncio.to_thread(self._stage, folder)
            await self._made(_Switch(adapter, staged, Future()))
            # Without this, the memory of the old weights stays with the process, which grows with each
            # switch. Nobody waits for it.
            asyncio.get_running_loop().run_in_executor(None, return_free_memory)

    async def fall_asleep(self) -> None:
        async with self._switching:
            await self._made(_Nap(ModelRunner.fall_asleep, Future()))

    async def wake_up(self) -> None:
        async with self._switching:
            await self._made(_Nap(ModelRunner.wake_up, Future()))

    async def _made(self, pending: _Switch | _Nap) -> None:
        """Has the model's thread make a change as soon as no request is running."""
        with self._wake:
            self._check_open()
            self._pending = pending
            self._wake.notify()
        await asyncio.wrap_future(pending.future)

    async def failure(self) -> EngineFailedError:
        watch, failed = ProgressWatch(self._stuck_seconds), asyncio.wrap_future(self._failure)
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(failed), watch.pause)
            if stuck := watch.look(self._steps_made, self._waiting()):
                # Its thread cannot be ended. If it wakes up, it finds that the engine is closed.
                self._end(EngineFailedError(stuck))

    async def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS if self._failure.done() else None)

    def _waiting(self) -> int:
        """Number of calls that have no answer yet."""
        with self._wake:
            scheduler = self._scheduler
            return len(scheduler.waiting) + len(scheduler.running) + (self._pending is not None)

    def _check_open(self) -> None:
        if self._failure.done():
            raise self._failure.result()
        if self._closed:
            raise UnavailableError("the engine is closed")

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
        # torch's number of threads is set per thread: a new one would use all cores.
        torch.set_num_threads(self._threads)
        return self._loaded.weights.stage(folder)

    def _run(self, ready: Future[None]) -> None:
        try:
            torch.set_num_threads(self._threads)
            self._runner = ModelRunner(
                self._model.path,
                compute_dtype(self._dtype),
                self._device,
                self._max_batch,
                self._context_length,
                self._capture,
            )
        except BaseException as error:
            self._closed = True
            ready.set_exception(error)
            return
        ready.set_result(None)
        self._end(self._steps(self._runner))

    def _steps(self, runner: ModelRunner) -> UnavailableError:
        """Runs the model until the engine is closed or has failed; returns the reason."""
        try:
            while self._wait_for_work():
                self._try_step(runner)
        except EngineFailedError as failure:
            return failure
        except BaseException as error:
            _log.exception("the thread that runs the model has ended")
            return EngineFailedError(
                f"the thread that runs the model has ended: {type(error).__name__}: {error}"
            )
        return UnavailableError("the engine was closed before the answer was complete")

    def _end(self, reason: UnavailableError) -> None:
        """Gives all waiting callers the reason why the thread has ended."""
        with self._wake:
            self._closed = True
            if isinstance(reason, EngineFailedError) and not self._failure.done():
                self._failure.set_result(reason)
        self._fail_all(reason)

    def _try_step(self, runner: ModelRunner) -> None:
        try:
            self._step(runner)
            self._steps_made += 1
            self._failed_steps = 0
        except Exception as error:
            _log.exception("a step of the batch failed")
            why = f"the model could not be run: {type(error).__name__}: {error}"
            self._fail_running(HiperError(why))
            self._failed_steps += 1
            # After an error of the GPU, every later call to it fails too.
            if isinstance(error, torch.AcceleratorError) or self._failed_steps >= _FAILING_STEPS:
                raise EngineFailedError(why) from error

    def _wait_for_work(self) -> bool:
        """Waits until there is something to do; False once the engine is closed."""
        with self._wake:
            work = lambda: self._scheduler.waiting or self._scheduler.running or self._pending  # noqa: E731
            self._wake.wait_for(lambda: self._closed or work())
            return not self._closed

    def _step(self, runner: ModelRunner) -> None:
        scheduler = self._scheduler
        self._drop_cancelled(runner)
        beginning = self._begin(runner)
        running = list(scheduler.running)
        if not running and not beginning:
            return
        # Before the computation: if it fails, these requests are among those that get the error.
        scheduler.running += beginning
        sampled = runner.step(running, beginning)
        self._copied += sampled.copied
        self._computed += sum(len(s.request.prompt_ids) for s in beginning) - sampled.copied
        self._take(runner, sampled)

    def _begin(self, runner: ModelRunner) -> list[Sequence]:
        """The sequences that start in this step; none while a switch waits for running ones to end."""
        with self._wake:
            if self._pending is None:
                return self._scheduler.admit(runner.copyable)
            if not self._scheduler.running:
                pending, self._pending = self._pending, None
                self._make(runner, pending)
                return self._scheduler.admit(runner.copyable)
            return []

    def _make(self, runner: ModelRunner, pending: _Switch | _Nap) -> None:
        if isinstance(pending, _Switch):
            self._apply(runner, pending)
            return
        try:
            pending.change(runner)
        except Exception as error:
            _settle(pending.future, error)
            raise
        _settle(pending.future, None)

    def _apply(self, runner: ModelRunner, switch: _Switch) -> None:
        try:
            undo = runner.weights.use(switch.staged, switch.adapter.folder if switch.adapter else None)
            refused = switch.adapter is not None and not runner.is_finite()
        except Exception as error:
            _settle(switch.future, error)
            raise
        if refused:
            undo()
            _settle(
                switch.future,
                InvalidInputError("adapter: its weights are finite, but the model's logits with it are not"),
            )
            return
        runner.forget()
        # The old weights with it; `switch` returns their memory to the system.
        del undo
        self._adapter = switch.adapter
        _settle(switch.future, None)

    def _take(self, runner: ModelRunner, sampled: Sampled) -> None:
        """Gives every running sequence its token, and removes the sequences that have ended."""
        sequences = list(self._scheduler.running)
        tokens, logprobs = sampled.tokens, sampled.logprobs
        self._generated += len(sequences)
        # From the last to the first: removing one moves the last one into its place, which is done already.
        for index in reversed(range(len(sequences))):
            sequence = sequences[index]
            if not math.isfinite(logprobs[index]):
                runner.clear_slot(index)
                runner.remove(self._scheduler, index)
                _settle(sequence.future, HiperError("the model's probabilities are not finite"))
            elif reason := sequence.append(tokens[index], logprobs[index]):
                runner.remove(self._scheduler, index)
                self._finish(sequence, reason)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        result = GenerationResult(tuple(sequence.token_ids), tuple(sequence.logprobs), self._adapter, reason)
        _settle(sequence.future, result)

    def _drop_cancelled(self, runner: ModelRunner) -> None:
        scheduler = self._scheduler
        with self._wake:
            kept = [s for s in scheduler.waiting if not s.future.cancelled()]
            if len(kept) < len(scheduler.waiting):
                scheduler.waiting.clear()
                scheduler.waiting.extend(kept)
        for index in reversed(range(len(scheduler.running))):
            if scheduler.running[index].future.cancelled():
                runner.remove(scheduler, index)

    def _fail_running(self, error: Exception) -> None:
        with self._wake:
            failed, self._scheduler.running = self._scheduler.running, []
        for sequence in failed:
            _settle(sequence.future, error)

    def _fail_all(self, error: Exception) -> None:
        self._fail_running(error)
        with self._wake:
            while self._scheduler.waiting:
                _settle(self._scheduler.waiting.popleft().future, error)
            if self._pending:
                _settle(self._pending.future, error)


def _settle(future: Future, outcome: object) -> None:
    """Gives the outcome to the waiting caller, unless the call was cancelled."""
    try:
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass
