"""The side of the comparison that plays in lock-step."""

from __future__ import annotations

import asyncio

from benchmarks.lock_step import Steps


def test_a_step_waits_for_all_and_repeats_the_last_calls_of_what_has_ended() -> None:
    made: list[str] = []

    async def play(steps: Steps, name: str, turns: int) -> list[str]:
        def call(turn: int) -> object:
            async def answer() -> str:
                made.append(f"{name}{turn}")
                await asyncio.sleep(0)
                return f"{name}{turn}"

            return answer

        answers = [await steps.ask(call(turn)) for turn in range(turns)]
        steps.leave(call(turns - 1))
        return answers

    async def batch() -> list[list[str]]:
        steps = Steps(live=2)
        return list(await asyncio.gather(play(steps, "a", 1), play(steps, "b", 3)))

    assert asyncio.run(batch()) == [["a0"], ["b0", "b1", "b2"]]
    assert made == ["a0", "b0", "b1", "a0", "b2", "a0"]


def test_a_call_that_fails_fails_for_its_own_episode_only() -> None:
    async def batch() -> list[object]:
        steps = Steps(live=2)

        async def good() -> str:
            return "good"

        async def bad() -> str:
            raise ValueError("bad")

        return await asyncio.gather(steps.ask(good), steps.ask(bad), return_exceptions=True)

    first, second = asyncio.run(batch())
    assert first == "good" and isinstance(second, ValueError)
