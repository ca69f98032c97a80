"""What may answer a call that has a fence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configuration.servers import ModelServerSettings
from core.errors import BehindError
from serving.engine import (
    EngineCounters,
    EngineFailedError,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LoadedAdapter,
)
from serving.sampler import Sampler
from trajectory.episode import Generation
from trajectory.fence import Fence


def loaded(version: int, epoch: int = 1, run_id: str = "run") -> LoadedAdapter:
    return LoadedAdapter(f"{run_id}/planner@{version}", version, Path(), run_id, epoch, bytes([version] * 32))


class Engine:
    """Serves an adapter, and answers with it or with another that is switched to meanwhile."""

    context_length = 64
    counters = EngineCounters(0, 0, 0)

    def __init__(self, adapter: LoadedAdapter | None, *then: LoadedAdapter | None) -> None:
        self.adapter, self._then = adapter, then
        self.asked = 0

    async def start(self) -> None: ...

    async def generate(self, request: GenerationRequest) -> GenerationResult:
        self.asked += 1
        if self._then:
            (self.adapter,) = self._then
        return GenerationResult((1, 2), (-0.5, -0.5), self.adapter, FinishReason.STOP)

    async def switch(self, adapter: LoadedAdapter | None) -> None: ...

    async def failure(self) -> EngineFailedError:
        raise AssertionError

    async def close(self) -> None: ...


def sampled(engine: Engine, fence: Fence | None) -> Generation:
    sampler = Sampler(engine, ModelServerSettings(), frozenset())
    return asyncio.run(sampler.sample((1, 2, 3), seed=1, fence=fence))


@pytest.mark.parametrize("fence", [None, Fence("run", 1, 3), Fence("run", 1, 2), Fence("run", 0, 9)])
def test_an_answer_says_which_adapter_it_is_from(fence: Fence | None) -> None:
    said = sampled(Engine(loaded(3)), fence)
    assert (said.adapter_epoch, said.adapter_version, said.adapter_sha256) == (1, 3, bytes([3] * 32))


def test_the_base_model_alone_has_no_hash_and_passes_no_fence() -> None:
    said = sampled(Engine(None), None)
    assert (said.adapter_epoch, said.adapter_version, said.adapter_sha256) == (0, -1, b"")
    with pytest.raises(BehindError, match="version 0 of run run, epoch 0 or later; served is the base model"):
        sampled(Engine(None), Fence("run", 0, 0))


@pytest.mark.parametrize("fence", [Fence("run", 1, 4), Fence("run", 2, 0), Fence("other", 0, 0)])
def test_a_server_behind_the_fence_samples_nothing(fence: Fence) -> None:
    engine = Engine(loaded(3))
    with pytest.raises(BehindError, match="served is run/planner@3 of epoch 1"):
        sampled(engine, fence)
    assert engine.asked == 0


@pytest.mark.parametrize("then", [None, loaded(2), loaded(9, epoch=0), loaded(3, run_id="other")])
def test_what_is_switched_to_while_the_call_waits_counts(then: LoadedAdapter | None) -> None:
    with pytest.raises(BehindError):
        sampled(Engine(loaded(3), then), Fence("run", 1, 3))
    assert sampled(Engine(loaded(3), loaded(4)), Fence("run", 1, 3)).adapter_version == 4


PLACE = st.tuples(st.integers(0, 3), st.integers(-1, 3))


@given(PLACE, st.lists(PLACE, max_size=5))
def test_a_fence_only_rises_and_admits_what_raised_it(
    start: tuple[int, int], answers: list[tuple[int, int]]
) -> None:
    fence = Fence("run", *start)
    for epoch, version in answers:
        before = fence
        fence = fence.raised(Generation((1,), (1,), (-0.1,), version, 1.0, False, 0.1, epoch))
        assert (fence.epoch, fence.version) == max((before.epoch, before.version), (epoch, version))
        assert fence.admits("run", fence.epoch, fence.version)
        assert before.admits("run", fence.epoch, fence.version)
