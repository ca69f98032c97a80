"""A combination lock, written for verifiers 0.4: the player guesses digits and is told how many are right."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import verifiers.v1 as vf

__all__ = ["LockEnv", "LockTaskset"]

RULES = "Open the lock. Reply with nothing but your guess, for example 123."


class LockConfig(vf.TasksetConfig):
    digits: int = 3


class LockData(vf.TaskData):
    combination: str


class LockTask(vf.Task[LockData]):
    def right(self, guess: str) -> int:
        """Number of digits in the right place."""
        return sum(digit == own for digit, own in zip(guess, self.data.combination, strict=False))

    @vf.reward(weight=0.9)
    async def opened(self, trace: vf.Trace) -> float:
        return float(trace.last_reply == self.data.combination)

    @vf.reward(weight=0.1)
    async def digits(self, trace: vf.Trace) -> float:
        return self.right(trace.last_reply) / len(self.data.combination)


class LockTaskset(vf.Taskset[LockTask, LockConfig]):
    INFINITE = True

    def load(self) -> Iterator[LockTask]:
        digits = self.config.digits
        for number in itertools.count():
            drawn = random.Random(number).choices("0123456789", k=digits)
            data = LockData(
                prompt=f"The lock has {digits} digits.", system_prompt=RULES, combination="".join(drawn)
            )
            yield LockTask(data, self.config.task)


class LockEnvConfig(vf.EnvConfig):
    player: vf.AgentConfig = vf.AgentConfig()


class LockEnv(vf.Env[LockEnvConfig]):
    async def run(self, task: LockTask, agents: vf.Agents) -> None:
        async with agents.player.interaction(task) as conversation:
            segment = await conversation.turn()
            while not segment.terminated and segment.last_reply != task.data.combination:
                right = task.right(segment.last_reply)
                segment = await conversation.turn(
                    f"{right} of {len(task.data.combination)} digits are right."
                )
