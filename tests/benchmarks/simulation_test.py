"""The parts of the simulation of pools that are not those of a run."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.simulation.engine import LatencyModel, WaitingEngine
from benchmarks.simulation.playing import RoundRobin
from core.role import Role
from play.picker import Picker
from serving.engine import GenerationRequest
from trajectory.pool import Member, MemberState, PoolTable, Replica

LATENCY = LatencyModel(prompt_token=0.001, step=0.1, sequence=0.01)
ANSWER = (5, 6, 7)


def request(
    prompt: tuple[int, ...], new: int = 8, complete: frozenset[tuple[int, ...]] = frozenset()
) -> GenerationRequest:
    return GenerationRequest(prompt, new, 1.0, 3, frozenset(), complete)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the engine, which take no time."""
    found: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        found.append(round(seconds, 6))
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return found


def test_an_answer_takes_the_time_of_its_new_prompt_tokens_and_of_its_own(waits: list[float]) -> None:
    async def play() -> WaitingEngine:
        engine = WaitingEngine(LATENCY, ANSWER, 1000, 8)
        first = await engine.generate(request(tuple(range(100))))
        assert first.token_ids == ANSWER and first.adapter_version == -1
        await engine.generate(request((*range(100), *range(500, 550)), new=2))
        return engine

    counters = asyncio.run(play()).counters
    assert waits == [0.1, 0.3, 0.05, 0.2]
    assert (counters.prompt_tokens, counters.shared_prompt_tokens, counters.generated_tokens) == (150, 100, 5)


def test_sequences_that_are_decoded_together_slow_each_other_down(waits: list[float]) -> None:
    async def play() -> None:
        engine = WaitingEngine(LATENCY, ANSWER, 1000, 2)
        await asyncio.gather(*(engine.generate(request((n,) * 10)) for n in range(3)))

    asyncio.run(play())
    decoding = sorted(wait for wait in waits if wait > 0.2)
    assert len(decoding) == 3 and max(decoding) == pytest.approx(3 * 0.11)


def test_a_planner_keeps_its_subgoal_in_most_turns(waits: list[float]) -> None:
    async def play() -> list[tuple[int, ...]]:
        engine = WaitingEngine(LATENCY, ANSWER, 1000, 8)
        requests = (
            GenerationRequest((1,), 8, 1.0, seed, frozenset(), frozenset({(9,)})) for seed in range(200)
        )
        return [(await engine.generate(each)).token_ids for each in requests]

    answers = asyncio.run(play())
    assert set(answers) == {(9,), ANSWER}
    assert 0.6 < answers.count((9,)) / len(answers) < 0.8


@pytest.mark.parametrize(("picker", "servers"), [(Picker, 1), (RoundRobin, 3)])
def test_an_episode_is_bound_by_the_picker_alone(picker: type[Picker], servers: int) -> None:
    members = tuple(
        Member(Replica(Role.EXECUTOR, f"host:{port}", str(port)), MemberState.READY) for port in range(3)
    )
    chosen = picker(Role.EXECUTOR)  # type: ignore[call-arg]
    chosen.update(PoolTable(members=members))
    assert len({chosen.pick("episode") for _ in range(6)}) == servers
