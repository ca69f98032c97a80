"""Makes a nano base model: tokenizer, demonstrations, training, and a folder as any model has it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from environments.registry import load
from environments.settings import EnvironmentSettings
from learner.demonstrations import Formats
from learner.folders import written_beside
from learner.nano.corpus import lessons, texts
from learner.nano.player import ErringBenchmark, Errors
from learner.nano.settings import NanoSettings
from learner.nano.training import Teacher, new_model
from learner.nano.vocabulary import train_tokenizer
from serving.bundled_model import cache_folder
from serving.settings import ModelServerSettings
from trajectory.seeds import derive

METHOD = 1
"""Goes into the cache's key; one more whenever the same settings would give another model."""
_TRAINING_SPLIT = "train"
_WORDS_FROM_GAMES = 600

Progress = Callable[[float, str], None]
"""Told the share that is done, in [0, 1], and what is being done."""


@dataclass(frozen=True)
class BaseSettings:
    """The sections of the configuration that decide what comes out."""

    nano: NanoSettings
    environment: EnvironmentSettings
    """Of the games; their number and seed are replaced."""
    planner: ModelServerSettings
    executor: ModelServerSettings
    seed: int


def nano_base(settings: BaseSettings, out: Path, progress: Progress) -> bool:
    """Writes the model's folder to `out`, from the cache where it was made before.

    The cache is $HIPER_CACHE (else ~/.cache/hiper)/nano, a folder for each combination of settings and seed.
    Sets torch's thread count for the process.

    Returns:
        Whether it was there already.
    """
    folder = cache_folder() / "nano" / _key(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        cached = folder.is_dir()
        if not cached:
            with written_beside(folder) as unfinished:
                model, tokenizer = make(settings, progress)
                model.save_pretrained(unfinished)
                tokenizer.save_pretrained(unfinished)
        with written_beside(out) as unfinished:
            shutil.copytree(folder, unfinished, dirs_exist_ok=True)
    return cached


def make(settings: BaseSettings, progress: Progress) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model and its tokenizer, which follow from the settings alone on one machine."""
    nano = settings.nano
    torch.set_num_threads(1)
    progress(0.0, "words")
    erring = Errors(nano.action_error, nano.subgoal_error, nano.stuck_error)
    player = _player(settings, erring, _WORDS_FROM_GAMES, "words")
    tokenizer = train_tokenizer(texts(player, player.tasks(_TRAINING_SPLIT)), nano.vocabulary)
    formats = Formats.of(tokenizer, settings.planner, settings.executor)
    model = new_model(nano, tokenizer, settings.seed)
    teacher = Teacher(model, nano, settings.seed)
    steps = nano.skilled_steps + nano.erring_steps
    for name, errors, count in (
        ("skilled", Errors(), nano.skilled_steps),
        ("erring", erring, nano.erring_steps),
    ):
        if not count:
            continue
        player = _player(settings, errors, min(nano.games, count * nano.batch_episodes), name)
        progress(0.0, f"episodes of a player that is {name}")
        shown = lessons(player, player.tasks(_TRAINING_SPLIT), formats)

        def on_step(step: int, loss: float, name: str = name) -> None:
            progress(step / steps, f"{name} player: step {step} of {steps}, loss {loss:.2f}")

        teacher.teach(shown, count, on_step)
    return model, tokenizer


def _player(settings: BaseSettings, errors: Errors, games: int, part: str) -> ErringBenchmark:
    """On games of its own: other parts of the course, and those who use the model, play others."""
    seed = derive(settings.seed, "nano", part) % 2**31
    generator = settings.environment.generator.model_copy(update={"games": games})
    changed = {"seed": seed, "source": "generated", "generator": generator}
    return ErringBenchmark(load(settings.environment.model_copy(update=changed)), errors, seed)


def _key(settings: BaseSettings) -> str:
    described = {
        "method": METHOD,
        "nano": settings.nano.model_dump(mode="json"),
        "environment": settings.environment.model_dump(mode="json"),
        "planner": _prompts(settings.planner),
        "executor": _prompts(settings.executor),
        "seed": settings.seed,
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]


def _prompts(settings: ModelServerSettings) -> list[str | int]:
    return [
        settings.prompt_format,
        settings.history,
        settings.context_length,
        settings.max_new_tokens,
    ]
