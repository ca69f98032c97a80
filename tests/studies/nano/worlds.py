"""Small parts that the tests of the nano model share."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.servers import PlannerSettings
from configuration.tree import Configuration
from environments.benchmark import Benchmark
from environments.registry import load
from learner.imitation.demonstrations import Formats
from studies.nano.corpus import texts
from studies.nano.player import ErringBenchmark, Errors
from studies.nano.vocabulary import train_tokenizer

SERVER = PlannerSettings(
    prompt_format="nano", history=64, context_length=1024, max_new_tokens=16, dtype="float32", max_batch=4
)
ERRING = Errors(action=0.5, subgoal=0.3, stuck=0.3)


def environment_settings(games: int = 12, seed: int = 3) -> EnvironmentSettings:
    """Games of all six types, evenly."""
    generator = GeneratorSettings(games=games, horizon="short", clutter=0.2)
    return EnvironmentSettings(source="generated", step_limit=20, seed=seed, generator=generator)


def benchmark(games: int = 12) -> Benchmark:
    return load(environment_settings(games))


def configuration() -> Configuration:
    return Configuration(environment=environment_settings(), planner=SERVER, executor=SERVER)


def tokenizer(games: int = 12) -> PreTrainedTokenizerFast:
    player = ErringBenchmark(benchmark(games), ERRING, seed=0)
    return train_tokenizer(texts(player, player.tasks("train")), size=900)


def formats(words: PreTrainedTokenizerFast) -> Formats:
    return Formats.of(words, SERVER, SERVER)
