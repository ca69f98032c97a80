"""Captured decode steps: the same tokens as without, in steps that never wait for the device."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
import torch

from configuration.servers import ModelServerSettings
from core.errors import PreconditionError
from serving.embedded.decoding import Capture, Compute, CudaGraphs
from serving.embedded.engine import EmbeddedEngine
from serving.embedded.runner import ModelRunner
from serving.embedded.weights import MergedWeights
from serving.engine import GenerationRequest, GenerationResult, LoadedAdapter
from serving.engines import make_engine
from serving.model import ModelFolder
from tests.serving.captured import traced
from tests.serving.models import WORDS, random_adapter, tiny_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def adapter(model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> LoadedAdapter:
    folder = tmp_path_factory.mktemp("adapter")
    random_adapter(model, folder, seed=0)
    return LoadedAdapter("test@0", 0, folder)


def request(seed: int, length: int, new: int) -> GenerationRequest:
    words = random.Random(seed)
    prompt_ids = tuple(words.randrange(WORDS) for _ in range(length))
    return GenerationRequest(prompt_ids, new, (seed % 3) / 2, seed, frozenset())


class Counted:
    """`traced`, with the sizes of what it captured."""

    def __init__(self) -> None:
        self.results: list[tuple[int, ...]] = []

    def __call__(self, compute: Compute, inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
        replay = traced(compute, inputs)
        self.results.append(tuple(replay().shape))
        return replay


def played(model: ModelFolder, adapter: LoadedAdapter, capture: Capture | None) -> Sequence[GenerationResult]:
    """Answers of different lengths by the base model, then with an adapter, then after a sleep."""

    async def play() -> list[GenerationResult]:
        engine = EmbeddedEngine(model, "float64", context_length=512, max_batch=6, capture=capture)
        await engine.start()
        results: list[GenerationResult] = []
        for change in (lambda: engine.switch(None), lambda: engine.switch(adapter), engine.fall_asleep):
            await change()
            if change == engine.fall_asleep:
                await engine.wake_up()
            calls = (engine.generate(request(seed, 5 + 50 * seed, 3 + 5 * seed)) for seed in range(7))
            results += await asyncio.gather(*calls)
        await engine.close()
        return results

    return asyncio.run(play())


def test_captured_steps_sample_the_same_tokens(model: ModelFolder, adapter: LoadedAdapter) -> None:
    capture = Counted()
    captured, plain = played(model, adapter, capture), played(model, adapter, None)
    for one, other in zip(captured, plain, strict=True):
        assert one.token_ids == other.token_ids and one.adapter == other.adapter
        assert one.logprobs == pytest.approx(other.logprobs, rel=0, abs=1e-10)
    assert {answer.adapter for answer in plain} == {None, adapter}
    # Powers of two, up to as many as the batch holds. A switch captures nothing anew; a sleep must.
    batches = [count for _, count in capture.results]
    assert set(batches) == {1, 2, 4, 6}
    assert len(batches) <= 2 * 4 * 2


def test_a_step_that_waits_for_the_device_cannot_be_captured() -> None:
    with pytest.raises(RuntimeError, match="value out of a tracing tensor"):
        traced(lambda inputs: inputs * inputs.sum().item(), torch.ones(4, 2))


def test_what_captured_steps_read_keeps_its_address(model: ModelFolder, adapter: LoadedAdapter) -> None:
    runner = ModelRunner(model.path, torch.float32, CPU, 2, 64, capture=traced)
    parameters = dict(runner._model.named_parameters())
    weights: MergedWeights = runner.weights
    before = {name: (p.data_ptr(), p.detach().clone()) for name, p in parameters.items()}
    cache = runner._cache.keys(0).data_ptr()
    undo = weights.use(weights.stage(adapter.folder), adapter.folder)
    runner.forget()
    changed = {name for name, (_, value) in before.items() if not torch.equal(parameters[name], value)}
    assert changed and all(parameters[name].data_ptr() == address for name, (address, _) in before.items())
    assert runner._cache.keys(0).data_ptr() == cache
    undo()
    for name, (address, value) in before.items():
        assert torch.equal(parameters[name], value) and parameters[name].data_ptr() == address


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_threads_divide_the_matrices_and_change_nothing(
    model: ModelFolder, adapter: LoadedAdapter, dtype: torch.dtype
) -> None:
    weights = ModelRunner(model.path, dtype, CPU, 2, 64).weights
    merged = weights.stage(adapter.folder)
    weights.use(merged, adapter.folder)
    for one, other in (
        (merged, weights.stage(adapter.folder, threads=3)),
        (weights.stage(None), weights.stage(None, threads=3)),
    ):
        assert one.keys() == other.keys() == merged.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_a_gpu_the_setting_is_refused(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PreconditionError, match="cuda_graphs = true needs an NVIDIA GPU"):
        make_engine(model, ModelServerSettings(cuda_graphs=True))


def test_vllm_is_not_told_to_capture() -> None:
    with pytest.raises(ValueError, match="vLLM captures CUDA graphs itself"):
        ModelServerSettings(engine="vllm", cuda_graphs=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, to capture real CUDA graphs")
def test_cuda_graphs_sample_the_same_tokens(model: ModelFolder, adapter: LoadedAdapter) -> None:
    for one, other in zip(played(model, adapter, CudaGraphs()), played(model, adapter, None), strict=True):
        assert one.token_ids == other.token_ids
