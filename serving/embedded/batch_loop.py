"""The steps of the batch, in the one thread that runs the model."""

from __future__ import annotations

import logging
import math

import torch

from core.errors import HiperError, InvalidInputError, UnavailableError
from serving.embedded.requests import Requests, settle
from serving.embedded.runner import ModelRunner, Sampled
from serving.embedded.scheduler import Scheduler, Sequence
from serving.engine import EngineCounters, EngineFailedError, FinishReason, GenerationResult, LoadedAdapter

_log = logging.getLogger(__name__)

_FAILING_STEPS = 3
"""Number of failed steps in a row after which the fault is not a single batch's, and only a new process
helps."""


class BatchLoop:
    """Makes steps until the requests are closed or the model cannot be run any more."""

    def __init__(self, requests: Requests, scheduler: Scheduler) -> None:
        self.adapter: LoadedAdapter | None = None
        """Adapter that answers are given with."""
        self.steps = 0
        """Number of steps made; one that hangs does not count."""
        self._requests, self._scheduler = requests, scheduler
        self._failed_steps = 0
        self._generated = self._computed = self._copied = 0

    @property
    def counters(self) -> EngineCounters:
        """Tokens since the start."""
        return EngineCounters(self._generated, self._computed, self._copied)

    def run(self, runner: ModelRunner) -> UnavailableError:
        """Runs the model until it must end; returns the reason."""
        try:
            while self._requests.wait():
                self._try_step(runner)
        except EngineFailedError as failure:
            return failure
        except BaseException as error:
            _log.exception("the thread that runs the model has ended")
            return EngineFailedError(
                f"the thread that runs the model has ended: {type(error).__name__}: {error}"
            )
        return UnavailableError("the engine was closed before the answer was complete")

    def _try_step(self, runner: ModelRunner) -> None:
        try:
            self._step(runner)
            self.steps += 1
            self._failed_steps = 0
        except Exception as error:
            _log.exception("a step of the batch failed")
            why = f"the model could not be run: {type(error).__name__}: {error}"
            self._requests.fail_running(HiperError(why))
            self._failed_steps += 1
            # After an error of the GPU, every later call to it fails too.
            if isinstance(error, torch.AcceleratorError) or self._failed_steps >= _FAILING_STEPS:
                raise EngineFailedError(why) from error

    def _step(self, runner: ModelRunner) -> None:
        self._drop_cancelled(runner)
        self._change(runner)
        beginning = self._requests.admit(runner.copyable)
        running = list(self._scheduler.running)
        if not running and not beginning:
            return
        # Before the computation: if it fails, these requests are among those that get the error.
        self._scheduler.running += beginning
        sampled = runner.step(running, beginning)
        self._copied += sampled.copied
        self._computed += sum(len(s.request.prompt_ids) for s in beginning) - sampled.copied
        self._take(runner, sampled)

    def _change(self, runner: ModelRunner) -> None:
        """Makes the change that is asked for, if it can be made now."""
        change = self._requests.take_change()
        if change is None:
            return
        try:
            change.make(runner)
        except Exception as error:
            settle(change.made, error)
            if not isinstance(error, InvalidInputError):
                raise
        else:
            settle(change.made, None)

    def _take(self, runner: ModelRunner, sampled: Sampled) -> None:
        """Gives every running sequence its token, and removes the sequences that have ended."""
        sequences = list(self._scheduler.running)
        self._generated += len(sequences)
        # From the last to the first: removing one moves the last one into its place, which is done already.
        for index in reversed(range(len(sequences))):
            sequence, logprob = sequences[index], sampled.logprobs[index]
            if not math.isfinite(logprob):
                runner.clear_slot(index)
                runner.remove(self._scheduler, index)
                settle(sequence.future, HiperError("the model's probabilities are not finite"))
            elif reason := sequence.append(sampled.tokens[index], logprob):
                runner.remove(self._scheduler, index)
                self._finish(sequence, reason)

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        result = GenerationResult(tuple(sequence.token_ids), tuple(sequence.logprobs), self.adapter, reason)
        settle(sequence.future, result)

    def _drop_cancelled(self, runner: ModelRunner) -> None:
        self._requests.drop_cancelled()
        running = self._scheduler.running
        for index in reversed(range(len(running))):
            if running[index].future.cancelled():
                runner.remove(self._scheduler, index)
