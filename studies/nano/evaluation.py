"""Plays the two-model system with planner, executor and environments in one process, and measures success."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from configuration.servers import PlannerSettings
from configuration.tree import Configuration
from core.intervals import Proportion, wilson
from environments.benchmark import Benchmark, Task
from environments.registry import load
from play.dispatch import Dispatcher
from play.every_task import EveryTask
from play.players import Players
from serving.adapters.pair import AdapterPair
from serving.engine import Engine, LoadedAdapter
from serving.model import ModelFolder
from studies.nano.local import engines, local_players
from trajectory.episode import Decision, Episode

OnEpisode = Callable[[Episode], None]
"""Callback for each finished episode."""


@dataclass(frozen=True)
class System:
    """A base model in two roles, both with an adapter or both without."""

    model: ModelFolder
    settings: PlannerSettings
    """Settings of both roles, for engine and prompts."""
    adapters: AdapterPair | None = None
    """Adapters of both roles; None for the base model alone."""


@dataclass(frozen=True)
class Report:
    """The results of an evaluation."""

    success: Proportion
    turns: float
    """Mean number of turns per episode."""
    switches: float
    """Mean number of subgoals per episode."""
    valid: float
    """Share of answers that could be parsed."""
    refused: float
    """Share of actions that the environment did not understand."""
    episodes_per_second: float
    generated_tokens_per_second: float
    prompt_tokens: float
    """Mean length of a prompt."""
    computed_share: float
    """Share of the prompt tokens that were computed; the rest was copied from earlier prompts."""


@dataclass(frozen=True)
class _OnEpisode:
    """An `Observer` that passes on only finished episodes."""

    episode: OnEpisode

    def episode_began(self) -> None:
        """Not passed on."""

    def episode_left(self) -> None:
        """Not passed on."""

    def set_aside(self, reason: str) -> None:
        """Not passed on: no episode is set aside."""


def play_generated(
    configuration: Configuration,
    system: System,
    split: str,
    games: int,
    on_episode: OnEpisode = lambda _: None,
) -> tuple[list[Episode], Report]:
    """Plays an episode of each of `games` generated games, as the configuration says; see `play`."""
    environment = configuration.environment
    generator = environment.generator.model_copy(update={"games": games})
    benchmark = load(environment.model_copy(update={"generator": generator, "source": "generated"}))
    seed, concurrency = configuration.run.seed, configuration.orchestrator.concurrency
    return asyncio.run(play(system, benchmark, benchmark.tasks(split), seed, concurrency, on_episode))


async def play(
    system: System,
    benchmark: Benchmark,
    tasks: Sequence[Task],
    seed: int,
    concurrency: int,
    on_episode: OnEpisode = lambda _: None,
) -> tuple[list[Episode], Report]:
    """Plays one episode of each task, `concurrency` of them at a time.

    Returns:
        The episodes in the order of the tasks, and the results.
    """
    async with engines(system.model, system.settings) as made:
        for role, engine in made.items():
            if system.adapters is not None:
                folder = system.adapters.of(role)
                await engine.switch(LoadedAdapter(str(folder), 0, folder))
        players = local_players(made, system.model, system.settings, benchmark)
        began = time.perf_counter()
        episodes = await _play_all(players, benchmark, tasks, seed, concurrency, on_episode)
        return episodes, _report(episodes, list(made.values()), time.perf_counter() - began)


async def _play_all(
    players: Players,
    benchmark: Benchmark,
    tasks: Sequence[Task],
    seed: int,
    concurrency: int,
    on_episode: OnEpisode,
) -> list[Episode]:
    episodes: dict[str, Episode] = {}

    def keep(episode: Episode, sample: int) -> None:
        episodes[episode.key.task_id] = episode

    await Dispatcher(
        episodes=EveryTask(tasks, 1, seed, keep),
        players=players,
        benchmark=benchmark,
        tasks=tasks,
        concurrency=min(concurrency, len(tasks)),
        observer=_OnEpisode(on_episode),
    ).run()
    return [episodes[task.id] for task in tasks]


def _report(episodes: Sequence[Episode], engines: Sequence[Engine], seconds: float) -> Report:
    turns = [turn for episode in episodes for turn in episode.turns]
    said = [generation for turn in turns for generation in (turn.plan.generation, turn.act.generation)]
    seen = [o for e in episodes for o in (*(t.observation for t in e.turns[1:]), e.final_observation)]
    computed = sum(engine.counters.prompt_tokens for engine in engines)
    shown = sum(len(generation.prompt_ids) for generation in said)
    return Report(
        success=wilson(sum(episode.won for episode in episodes), len(episodes)),
        turns=len(turns) / len(episodes),
        switches=sum(turn.plan.decision is Decision.SWITCH for turn in turns) / len(episodes),
        valid=sum(turn.plan.valid + turn.act.valid for turn in turns) / len(said),
        refused=sum(observation == "Nothing happens." for observation in seen) / len(turns),
        episodes_per_second=len(episodes) / seconds,
        generated_tokens_per_second=sum(engine.counters.generated_tokens for engine in engines) / seconds,
        prompt_tokens=shown / len(said),
        computed_share=computed / shown,
    )
