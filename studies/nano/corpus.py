"""Demonstrations by erring players on generated games, as texts and as token sequences to learn from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.text import one_line
from environments.benchmark import Task, TextEnvironment
from learner.imitation.demonstrations import Formats, lesson
from learner.update.packing import TokenSequence
from studies.nano.player import ErringBenchmark
from trajectory.episode import Decision


@dataclass(frozen=True)
class Lesson:
    """An episode to learn from."""

    answers: tuple[TokenSequence, ...]
    """Answers of planner and executor, with their prompts."""
    transcript: TokenSequence
    """Longest prompt, taken as an answer from its second token on, so that the model learns to predict it."""


def texts(player: ErringBenchmark, tasks: Sequence[Task]) -> Iterator[str]:
    """Texts with the words of prompts and answers, for training a tokenizer."""
    environment = player.environment()

    def told(observation: str) -> str:
        return player.telling.told("", one_line(observation), "")

    for task in tasks:
        observation, info = environment.reset(seed=0, options={"task": task.id})
        yield f"Text game.\nTask: {info['goal']}\n{told(observation)}"
        for step in player.demonstration(task):
            observation, *_ = environment.step(step.action)
            yield f">{step.action}\n{told(observation)}\nNew: nothing.\nSubgoal 1: {step.subgoal}"
            yield Decision.KEEP.value
            yield f"{Decision.SWITCH.value}: {step.subgoal}"
    environment.close()


def lessons(
    player: ErringBenchmark, tasks: Sequence[Task], formats: Formats, *, corrected: bool
) -> list[Lesson]:
    """A lesson for each task.

    Args:
        player: Benchmark with the erring player's demonstrations.
        tasks: Tasks to play.
        formats: Formats of prompts and answers.
        corrected: Whether the answers are the right actions rather than those played: the model then learns
            from the player's errors how to recover from its own, and not to make them.
    """
    environment = player.environment()

    async def learnt() -> list[Lesson]:
        return [await _lesson(player, environment, task, formats, corrected=corrected) for task in tasks]

    try:
        return asyncio.run(learnt())
    finally:
        environment.close()


async def _lesson(
    player: ErringBenchmark, environment: TextEnvironment, task: Task, formats: Formats, *, corrected: bool
) -> Lesson:
    played = await lesson(player, environment, task, formats, player.player())
    answers = []
    for turn, right in zip(played.episode.turns, played.right, strict=True):
        plan, act = turn.plan.generation, turn.act.generation
        said = formats.executor_parser.answer_ids(right.action) if corrected else act.token_ids
        answers += [TokenSequence(plan.prompt_ids, plan.token_ids), TokenSequence(act.prompt_ids, said)]
    longest = max((answer.prompt_ids for answer in answers), key=len)
    return Lesson(tuple(answers), TokenSequence(longest[:1], longest[1:]))
