"""Demonstrations of erring players on generated games: as texts, and as token sequences to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from environments.benchmark import Benchmark, Task
from learner.demonstrations import Formats, demonstrate
from learner.nano.player import ErringBenchmark
from learner.packing import TokenSequence
from trajectory.episode import Decision, Episode


@dataclass(frozen=True)
class Lesson:
    """One episode to learn from."""

    answers: tuple[TokenSequence, ...]
    """What planner and executor said, after what they were shown."""
    transcript: TokenSequence
    """The longest prompt as if all of it but its first token were an answer."""


def texts(player: ErringBenchmark, tasks: Sequence[Task]) -> Iterator[str]:
    """The words of prompts and answers, for a tokenizer to be trained on."""
    environment = player.environment()
    for task in tasks:
        observation, info = environment.reset(seed=0, options={"task": task.id})
        yield f"Text game.\nTask: {info['goal']}\n{observation}"
        for step in player.demonstration(task):
            observation, *_ = environment.step(step.action)
            yield f">{step.action}\n{observation}\nSubgoal 1: {step.subgoal}"
            yield Decision.KEEP.value
            yield f"{Decision.SWITCH.value}: {step.subgoal}"
    environment.close()


def lessons(player: Benchmark, tasks: Sequence[Task], formats: Formats) -> list[Lesson]:
    """One lesson a task."""
    environment = player.environment()
    learnt = [lesson(demonstrate(player, environment, task, formats)) for task in tasks]
    environment.close()
    return learnt


def lesson(episode: Episode) -> Lesson:
    said = [g for turn in episode.turns for g in (turn.plan.generation, turn.act.generation)]
    longest = max((generation.prompt_ids for generation in said), key=len)
    return Lesson(
        tuple(TokenSequence(generation.prompt_ids, generation.token_ids) for generation in said),
        TokenSequence(longest[:1], longest[1:]),
    )
