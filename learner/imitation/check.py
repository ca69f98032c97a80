"""Checks a warm start: samples answers at the turns of demonstrations that it was not taught."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from configuration.servers import ModelServerSettings
from core.role import Role
from environments.benchmark import Benchmark
from learner.imitation.demonstrations import Formats, lesson
from learner.imitation.teachers import teacher_of
from learner.imitation.teaching import WarmStartSettings
from serving.adapters.pair import AdapterPair
from serving.embedded.engine import EmbeddedEngine
from serving.engine import GenerationResult, LoadedAdapter
from serving.model import ModelFolder, load_tokenizer
from serving.sampler import Sampler
from trajectory.episode import Episode, Turn


@dataclass(frozen=True)
class AnswerShares:
    """Quality of one role's answers; shares are in [0, 1]."""

    answers: int
    """Number of answers."""
    temperature: float
    """Sampling temperature."""
    parseable: float
    """Share of answers in a form that the parser understands."""
    accepted: float
    """Share of answers that can be carried out: admissible actions of the executor; for the planner,
    and where no actions are listed, `parseable`."""
    expert: float
    """Share of answers equal to the expert's, word for word; other answers can be just as good."""


@dataclass(frozen=True)
class _Reading:
    parseable: bool
    accepted: bool
    expert: bool


async def check_answers(
    settings: WarmStartSettings,
    model: ModelFolder,
    benchmark: Benchmark,
    adapters: AdapterPair,
    split: str,
    games: int,
    seed: int,
) -> dict[Role, AnswerShares]:
    """Samples an answer of both adapters at each turn of `games` demonstrations of `split`.

    Args:
        settings: Settings that the warm start was made with.
        model: Base model.
        benchmark: Where the demonstrations come from.
        made: Adapters to check.
        split: Split of the demonstrations.
        games: Number of demonstrations.
        seed: Seed that draws the tasks and the answers.
    """
    formats = Formats.of(load_tokenizer(model.path), settings.planner, settings.executor)
    environment, expert = benchmark.environment(), teacher_of(benchmark, "expert")
    tasks = benchmark.tasks(split)
    drawn = np.random.default_rng(seed).permutation(len(tasks))[:games]
    turns: list[tuple[Episode, int]] = []
    admissible: list[Sequence[str]] = []
    for place in drawn:
        played = await lesson(benchmark, environment, tasks[place], formats, expert)
        turns += [(played.episode, number) for number in range(len(played.episode.turns))]
        admissible += played.admissible
    environment.close()

    def read_plan(index: int, result: GenerationResult) -> _Reading:
        episode, number = turns[index]
        expert = episode.turns[number].plan
        before = episode.turns[number - 1].plan.subgoal if number else ""
        read = formats.planner_parser.parse(result.token_ids, number, episode.goal, before)
        same = (read.decision, read.subgoal) == (expert.decision, expert.subgoal)
        return _Reading(read.valid, read.valid, same)

    def read_act(index: int, result: GenerationResult) -> _Reading:
        episode, number = turns[index]
        read = formats.executor_parser.parse(result.token_ids)
        same = read.action == episode.turns[number].act.action
        listed = admissible[index]
        return _Reading(read.valid, same or (read.action in listed if listed else read.valid), same)

    shown = [episode.turns[number] for episode, number in turns]
    return {
        Role.PLANNER: await _asked(
            settings, model, settings.planner, adapters, Role.PLANNER, shown, formats, read_plan, seed
        ),
        Role.EXECUTOR: await _asked(
            settings, model, settings.executor, adapters, Role.EXECUTOR, shown, formats, read_act, seed
        ),
    }


async def _asked(
    settings: WarmStartSettings,
    model: ModelFolder,
    server: ModelServerSettings,
    adapters: AdapterPair,
    role: Role,
    turns: Sequence[Turn],
    formats: Formats,
    read: Callable[[int, GenerationResult], _Reading],
    seed: int,
) -> AnswerShares:
    planner = role is Role.PLANNER
    parser = formats.planner_parser if planner else formats.executor_parser
    complete = frozenset({formats.planner_parser.keep_ids}) if planner else frozenset()
    engine = EmbeddedEngine(
        model, server.dtype, settings.learner.threads, server.context_length, server.max_batch, len(turns)
    )
    await engine.start()
    try:
        await engine.switch(LoadedAdapter(f"check/{role.value}@0", 0, adapters.of(role)))
        sampler = Sampler(engine, server, parser.stop_ids, parser.end_ids)
        prompts = [(turn.plan if planner else turn.act).generation.prompt_ids for turn in turns]
        results = await asyncio.gather(
            *(sampler.generate(prompt, seed + index, complete) for index, prompt in enumerate(prompts))
        )
    finally:
        await engine.close()
    readings = [read(index, result) for index, result in enumerate(results)]
    return AnswerShares(
        answers=len(readings),
        temperature=server.temperature,
        parseable=float(np.mean([reading.parseable for reading in readings])),
        accepted=float(np.mean([reading.accepted for reading in readings])),
        expert=float(np.mean([reading.expert for reading in readings])),
    )
