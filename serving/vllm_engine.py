"""The engine for GPUs: vLLM with its own scheduler and LoRA, and an adapter name for each version.

Written against vLLM 0.32 (AsyncLLM of the V1 engine).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.lora.request import LoRARequest
from vllm.outputs import RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from configuration.servers import ModelServerSettings
from core.errors import HiperError, InvalidInputError, PromptTooLongError, QueueFullError, UnavailableError
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.model import ModelFolder
from serving.progress import ProgressWatch
from serving.vllm_adapters import Closing, ServedAdapters
from serving.vllm_options import engine_arguments

_SEED_LIMIT = 1 << 63
"""Upper limit of seeds, which vLLM takes as signed 64-bit numbers."""


class VllmEngine:
    """Implements `serving.engine.Engine` on vLLM.

    vLLM identifies cached prefixes by the adapter's name and path, so that a name must never be reused for
    other weights: each version has a new name, id and folder. A switch loads the new adapter beside the old
    one, directs new requests to it, and removes the old one when its last request has ended. Two adapters
    fit.
    """

    def __init__(self, model: ModelFolder, settings: ModelServerSettings) -> None:
        self._settings = settings
        self._arguments = AsyncEngineArgs(**engine_arguments(model.path, settings))
        self._llm: AsyncLLM | None = None
        self._adapters = ServedAdapters(_lora_request)
        self._closing = Closing()
        self._running = self._outputs = 0
        self._counters = EngineCounters(0, 0, 0)

    @property
    def context_length(self) -> int:
        return self._settings.context_length

    @property
    def counters(self) -> EngineCounters:
        return self._counters

    @property
    def adapter(self) -> LoadedAdapter | None:
        return self._adapters.adapter

    async def start(self) -> None:
        self._llm = AsyncLLM.from_engine_args(self._arguments)

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        self._check(request)
        with self._place(), self._adapters.request() as served:
            name = uuid.uuid4().hex
            try:
                sampled = self._sample(name, request, served.lora)
                output, complete = await self._closing.unless_closed(sampled)
            except EngineDeadError as error:
                raise EngineFailedError(f"vLLM has failed: {error}") from error
        return self._result(request, output, complete, served.adapter)

    async def switch(self, adapter: LoadedAdapter | None) -> None:
        engine = self._engine
        try:
            await self._adapters.switch(engine, adapter)
        except HiperError as error:
            if engine.errored:
                raise EngineFailedError(f"vLLM has failed: {engine.dead_error}") from error
            raise

    async def fall_asleep(self) -> None:
        # Prefixes would be found in the cache again although their keys and values are gone.
        await self._engine.reset_prefix_cache()
        # Level 1 keeps the weights in the machine's memory; level 2 would drop them.
        await self._engine.sleep(level=1)

    async def wake_up(self) -> None:
        await self._engine.wake_up()

    async def failure(self) -> EngineFailedError:
        # vLLM reports a failure only to requests that are waiting; an idle server must notice it too.
        watch = ProgressWatch(self._settings.stuck_seconds)
        while self._llm is None or not self._llm.errored:
            await asyncio.sleep(watch.pause)
            if stuck := watch.look(self._outputs, self._running):
                return EngineFailedError(stuck)
        return EngineFailedError(f"vLLM has failed: {self._llm.dead_error}")

    async def close(self) -> None:
        self._closing.close()
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None

    @property
    def _engine(self) -> AsyncLLM:
        if self._llm is None:
            raise UnavailableError("the engine does not run")
        return self._llm

    def _check(self, request: GenerationRequest) -> None:
        if not request.prompt_ids:
            raise InvalidInputError("prompt_ids: a prompt has at least one token")
        total = len(request.prompt_ids) + request.max_new_tokens
        if total > self.context_length:
            raise PromptTooLongError(
                f"prompt_ids: {len(request.prompt_ids)} tokens and {request.max_new_tokens} for the answer "
                f"are {total}; the context length is {self.context_length}"
            )

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._running >= self._settings.max_batch + self._settings.max_queue:
            raise QueueFullError(f"{self._settings.max_queue} requests wait already; try again later")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def _sample(
        self, name: str, request: GenerationRequest, lora: LoRARequest | None
    ) -> tuple[RequestOutput, bool]:
        """The last output, and whether it ended because it is one of the complete answers."""
        stream = self._engine.generate(
            {"prompt_token_ids": list(request.prompt_ids)},
            _parameters(request),
            request_id=name,
            lora_request=lora,
        )
        last: RequestOutput | None = None
        async for output in stream:
            last = output
            self._outputs += 1
            if tuple(output.outputs[0].token_ids) in request.complete_answers and not output.finished:
                await self._engine.abort(name)
                return output, True
        if last is None:
            raise UnavailableError("vLLM ended a request without an answer")
        return last, False

    def _result(
        self, request: GenerationRequest, output: RequestOutput, complete: bool, adapter: LoadedAdapter | None
    ) -> GenerationResult:
        answer = output.outputs[0]
        token_ids = tuple(answer.token_ids)
        if not answer.logprobs or len(answer.logprobs) != len(token_ids):
            raise HiperError("vLLM returned tokens without their log-probabilities")
        logprobs = tuple(
            chosen[token].logprob for token, chosen in zip(token_ids, answer.logprobs, strict=True)
        )
        copied = output.num_cached_tokens or 0
        self._counters = replace(
            self._counters,
            generated_tokens=self._counters.generated_tokens + len(token_ids),
            prompt_tokens=self._counters.prompt_tokens + len(request.prompt_ids) - copied,
            shared_prompt_tokens=self._counters.shared_prompt_tokens + copied,
        )
        ended = complete or answer.finish_reason == "stop" or token_ids in request.complete_answers
        return GenerationResult(
            token_ids, logprobs, adapter, FinishReason.STOP if ended else FinishReason.LENGTH
        )


def _lora_request(adapter: LoadedAdapter, number: int) -> LoRARequest:
    return LoRARequest(adapter.name, number, str(adapter.folder))


def _parameters(request: GenerationRequest) -> SamplingParams:
    return SamplingParams(
        temperature=request.temperature,
        top_p=1.0,
        top_k=-1,
        seed=request.seed % _SEED_LIMIT,
        max_tokens=request.max_new_tokens,
        stop_token_ids=sorted(request.stop_ids),
        # Only the request's own stop tokens count, as in the embedded engine.
        ignore_eos=True,
        logprobs=0,
        detokenize=False,
        # Complete answers can only be recognised if every token is reported.
        output_kind=(
            RequestOutputKind.CUMULATIVE if request.complete_answers else RequestOutputKind.FINAL_ONLY
        ),
    )
