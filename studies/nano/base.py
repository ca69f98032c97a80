"""Makes a nano base model, from tokenizer and demonstrations to a folder in the usual format of models."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from filelock import FileLock
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from configuration.environment import EnvironmentSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from core.files import sweep_unfinished, written_beside
from core.paths import cache_folder
from core.progress import Progress
from core.seeds import derive
from environments.registry import load
from learner.imitation.demonstrations import Formats
from serving.model import load_tokenizer
from studies.nano.corpus import lessons, texts
from studies.nano.player import ErringBenchmark, Errors
from studies.nano.settings import NanoSettings
from studies.nano.training import Teacher, new_model, reloaded
from studies.nano.trees import Tree
from studies.nano.vocabulary import train_tokenizer

METHOD = 5
"""Version of the method, a part of the cache's key; raise it whenever the same settings give another
model."""
_TRAINING_SPLIT = "train"
_WORDS_FROM_GAMES = 600
_SECOND_PART = {
    "erring_games",
    "erring_steps",
    "erring_rate",
    "action_error",
    "subgoal_error",
    "stuck_error",
}
"""Settings that the first part of the training does not depend on."""


@dataclass(frozen=True)
class BaseSettings:
    """The sections of the configuration that the model depends on."""

    nano: NanoSettings
    environment: EnvironmentSettings
    """Settings of the games; number and seed are replaced."""
    planner: PlannerSettings
    executor: ModelServerSettings
    seed: int

    @property
    def skilled(self) -> BaseSettings:
        """Settings of the model that the second part of the training starts from."""
        first = NanoSettings.model_validate(self.nano.model_dump(exclude=_SECOND_PART) | {"erring_steps": 0})
        return replace(self, nano=first)


def nano_base(settings: BaseSettings, out: Path, progress: Progress) -> bool:
    """Writes the model's folder to `out`, from the cache if it was made before (`nano_base_folder`).

    Returns:
        Whether it was in the cache.
    """
    folder, cached = nano_base_folder(settings, progress)
    with written_beside(out) as unfinished:
        shutil.copytree(folder, unfinished, dirs_exist_ok=True)
    return cached


def nano_base_folder(settings: BaseSettings, progress: Progress) -> tuple[Path, bool]:
    """The model's folder in the cache, made if necessary, and whether it was there already.

    The cache is the folder `nano` in `core.paths.cache_folder`, with a folder for each combination of
    settings and seed, and one for the result of each first part. Making a model sets torch's number of
    threads for the whole process.
    """
    folder = cache_folder() / "nano" / _key(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if folder.is_dir():
            return folder, True
        sweep_unfinished(folder.parent, of=(folder.name,))
        with written_beside(folder) as unfinished:
            model, tokenizer = make(settings, progress)
            model.save_pretrained(unfinished)
            tokenizer.save_pretrained(unfinished)
    return folder, False


def make(settings: BaseSettings, progress: Progress) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase]:
    """Trains the model and its tokenizer; on the same machine, they depend on the settings alone."""
    nano = settings.nano
    # One thread, so that the result does not depend on the number of cores.
    torch.set_num_threads(1)
    if nano.erring_steps:
        skilled, _ = nano_base_folder(settings.skilled, progress)
        model, tokenizer = reloaded(skilled), load_tokenizer(skilled)
        errors = Errors(nano.action_error, nano.subgoal_error, nano.stuck_error)
        part = _Part("erring", errors, False, nano.erring_games, nano.erring_steps, nano.erring_rate)
    else:
        errors = Errors(action=nano.distraction, refused=nano.refusal)
        part = _Part("skilled", errors, True, nano.skilled_games, nano.skilled_steps, 1.0)
        progress(0.0, "words")
        player = _player(settings, errors, _WORDS_FROM_GAMES, "words")
        tokenizer = train_tokenizer(texts(player, player.tasks(_TRAINING_SPLIT)), nano.vocabulary)
        model = new_model(nano, tokenizer, settings.seed)
    _teach(model, Formats.of(tokenizer, settings.planner, settings.executor), part, settings, progress)
    return model, tokenizer


@dataclass(frozen=True)
class _Part:
    """A part of the training."""

    name: str
    errors: Errors
    """Errors of the player."""
    corrected: bool
    """Whether the right answers are taught instead of the player's."""
    games: int
    steps: int
    rate: float


def _teach(
    model: LlamaForCausalLM, formats: Formats, part: _Part, settings: BaseSettings, progress: Progress
) -> None:
    progress(0.0, f"episodes of the {part.name} player")
    player = _player(settings, part.errors, part.games, part.name)
    shown = lessons(player, player.tasks(_TRAINING_SPLIT), formats, corrected=part.corrected)

    def on_step(step: int, loss: float) -> None:
        text = f"{part.name} player: step {step} of {part.steps}, loss {loss:.2f}"
        progress(step / part.steps, text)

    teacher = Teacher(model, settings.nano, settings.seed)
    teacher.teach([Tree.of(lesson) for lesson in shown], part.steps, part.rate, on_step)


def _player(settings: BaseSettings, errors: Errors, games: int, part: str) -> ErringBenchmark:
    """The erring player, on games that neither the other part of the training nor the model's users play."""
    seed = derive(settings.seed, "nano", part) % 2**31
    generator = settings.environment.generator.model_copy(update={"games": games})
    changed = {"seed": seed, "source": "generated", "generator": generator}
    return ErringBenchmark(
        load(settings.environment.model_copy(update=changed)), errors, seed, steps=settings.nano.step_subgoals
    )


def _key(settings: BaseSettings) -> str:
    described = {
        "method": METHOD,
        "nano": settings.nano.model_dump(
            mode="json", exclude=None if settings.nano.erring_steps else _SECOND_PART - {"erring_steps"}
        ),
        "environment": settings.environment.model_dump(mode="json"),
        "planner": [*_prompts(settings.planner), settings.planner.hierarchy],
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
        *([settings.think] if settings.think else []),
    ]
