"""Demonstrations by erring players on generated games, as texts and as token sequences to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from environments.benchmark import Task, TextEnvironment
from learner.imitation.demonstrations import Formats, demonstrate
from learner.update.packing import TokenSequence
from serving.text.transcript import shortened
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
    for task in tasks:
        observation, info = environment.reset(seed=0, options={"task": task.id})
        yield f"Text game.\nTask: {info['goal']}\n{_line(observation)}"
        for step in player.demonstration(task):
            observation, *_ = environment.step(step.action)
            yield f">{step.action}\n{_line(observation)}\nNew: nothing.\nSubgoal 1: {step.subgoal}"
            yield Decision.KEEP.value
            yield f"{Decision.SWITCH.value}: {step.subgoal}"
    environment.close()


def _line(observation: str) -> str:
    return shortened(" ".join(observation.split()))


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
    learnt = [_lesson(player, environment, task, formats, corrected=corrected) for task in tasks]
    environment.close()
    return learnt


def _lesson(
    player: ErringBenchmark, environment: TextEnvironment, task: Task, formats: Formats, *, corrected: bool
) -> Lesson:
    taught = player.taught(task)
    episode = demonstrate(player, environment, task, formats, [turn.step for turn in taught])
    answers = []
    for turn, truth in zip(episode.turns, taught, strict=True):
        plan, act = turn.plan.generation, turn.act.generation
        said = formats.executor_parser.answer_ids(truth.right_action) if corrected else act.token_ids
        answers += [TokenSequence(plan.prompt_ids, plan.token_ids), TokenSequence(act.prompt_ids, said)]
    longest = max((answer.prompt_ids for answer in answers), key=len)
    return Lesson(tuple(answers), TokenSequence(longest[:1], longest[1:]))
