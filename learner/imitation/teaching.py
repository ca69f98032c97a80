"""The warm start: teaches both adapters the answer formats and a first skill, by imitating demonstrations."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch

from configuration.learner import ImitationSettings, LearnerSettings, LoraSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from configuration.tree import Configuration
from core.files import sweep_unfinished, written_beside
from core.freed_memory import MemoryReturns
from core.paths import cache_folder
from core.progress import Progress
from core.role import Role
from environments.benchmark import Benchmark
from learner.imitation.checkpoints import (
    SECONDS,
    TeachingCheckpoints,
    checkpoint_of,
    lock_of,
    sweep_checkpoints,
)
from learner.imitation.demonstrations import Formats
from learner.imitation.lessons import right_answers, training_lessons
from learner.imitation.steps import imitate
from learner.update.adapter_files import read_adapter, write_adapter
from learner.update.optimizer import AdapterOptimizer
from learner.update.packing import TokenSequence
from learner.update.policy import AdaptedModel
from serving.adapters.given import given_pair
from serving.adapters.origin import AdapterOrigin
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder, compute_device, compute_dtype, load_tokenizer

METHOD = 2
"""Version of the method, a part of the cache's key; raise it whenever the same demonstrations give other
adapters."""
_MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class WarmStartSettings:
    """The sections of the configuration that the result of a warm start depends on."""

    imitation: ImitationSettings = field(default_factory=ImitationSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    executor: ModelServerSettings = field(default_factory=ModelServerSettings)

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        return cls(
            imitation=configuration.imitation,
            lora=configuration.lora,
            learner=configuration.learner,
            planner=configuration.planner,
            executor=configuration.executor,
        )


@dataclass(frozen=True)
class WarmStart:
    """Adapters that were taught from demonstrations."""

    adapters: AdapterPair
    cached: bool
    """Whether they were in the cache already."""
    losses: dict[Role, tuple[float, ...]] = field(default_factory=dict)
    """Loss of each step in nats per token; empty if cached."""


def warm_start(
    settings: WarmStartSettings,
    model: ModelFolder,
    benchmark: Benchmark,
    seed: int,
    progress: Progress,
    checkpoint_seconds: float = SECONDS,
) -> WarmStart:
    """Teaches both adapters with demonstrations of training tasks, or finds them in the cache.

    The cache is the folder `warm-start` in `core.paths.cache_folder`, with a folder for each combination of
    base model, settings, seed and demonstrations as the models see them. If an earlier call was killed, this
    one continues from its last checkpoint, of which there is one every `checkpoint_seconds`; the adapters are
    the same to the bit. Sets torch's number of threads for the whole process.

    Raises:
        HiperError: as `training_lessons`, or the pair that is taught further does not fit.
    """
    start = given_pair(settings.imitation)  # Before anything else: a wrong path is told at once.
    progress(0.0, "demonstrations")
    formats = Formats.of(load_tokenizer(model.path), settings.planner, settings.executor)
    lessons = training_lessons(settings.imitation, formats, benchmark, seed)
    answers = {role: right_answers(lessons, formats, role) for role in Role}
    folder = cache_folder() / "warm-start" / _key(settings, model, start, seed, answers)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two commands that start together would otherwise both spend minutes on the same adapters.
    with lock_of(folder):
        if folder.is_dir():
            return WarmStart(AdapterPair.within(folder), cached=True)
        sweep_unfinished(folder.parent, of=(folder.name, checkpoint_of(folder).name))
        sweep_checkpoints(folder.parent)
        checkpoints = TeachingCheckpoints(folder, seed, checkpoint_seconds)
        losses = _teach(settings, model, start, answers, seed, folder, checkpoints, progress)
        shutil.rmtree(checkpoint_of(folder), ignore_errors=True)
    return WarmStart(AdapterPair.within(folder), cached=False, losses=losses)


def _teach(
    settings: WarmStartSettings,
    base: ModelFolder,
    start: AdapterPair | None,
    answers: dict[Role, list[list[TokenSequence]]],
    seed: int,
    folder: Path,
    checkpoints: TeachingCheckpoints,
    progress: Progress,
) -> dict[Role, tuple[float, ...]]:
    learner, imitation = settings.learner, settings.imitation
    steps = {role: imitation.steps_of(role) for role in Role}
    torch.set_num_threads(learner.threads)
    progress(0.0, "loading the model")
    model = AdaptedModel(
        base.path,
        settings.lora,
        compute_dtype(learner.dtype),
        compute_device(),
        seed,
        checkpointed=learner.gradient_checkpointing,
        quantization=learner.quantization,
    )
    if start:
        for role, given in start.items():
            read_adapter(model.peft, role.value, base.fingerprint, given)
    losses = checkpoints.restore(model)
    before, memory = sum(map(len, losses.values())), MemoryReturns()
    resumed = f" (resumed after {before} of {sum(steps.values())} steps)" if before else ""
    with written_beside(folder) as unfinished:
        for number, role in enumerate(Role):
            optimizer = AdapterOptimizer(
                model.parameters_of(role.value), imitation.learning_rate, _MAX_GRADIENT_NORM
            )
            checkpoints.restore_optimizer(role, optimizer)

            def after_step(role: Role = role, optimizer: AdapterOptimizer = optimizer) -> None:
                own, done = losses[role], sum(map(len, losses.values()))
                message = f"imitation, {role.value}: step {len(own)} of {steps[role]}, loss {own[-1]:.2f}"
                checkpoints.write_if_due(model, role, optimizer, losses)
                memory.after_work()
                progress(done / sum(steps.values()), message + resumed)

            if steps[role]:
                imitate(
                    model,
                    role,
                    answers[role],
                    imitation,
                    learner.pack_tokens,
                    np.random.default_rng([seed, number]),
                    optimizer,
                    losses[role],
                    after_step,
                )
            target = AdapterPair.within(unfinished).of(role)
            target.mkdir()
            origin = AdapterOrigin(base.fingerprint, role.value, version=0)
            write_adapter(model.peft, role.value, base.name, origin, target)
    return {role: tuple(own) for role, own in losses.items()}


def _key(
    settings: WarmStartSettings,
    model: ModelFolder,
    start: AdapterPair | None,
    seed: int,
    answers: dict[Role, list[list[TokenSequence]]],
) -> str:
    """Hexadecimal hash of all that the adapters depend on, except for the machine and number of threads."""
    shown = [[[[a.prompt_ids, a.response_ids] for a in one] for one in answers[role]] for role in Role]
    described = {
        "method": METHOD,
        "model": model.fingerprint,
        # The episodes of runs are in the answers.
        "imitation": settings.imitation.model_dump(mode="json", exclude={"episodes", "adapters"}),
        "lora": settings.lora.model_dump(mode="json"),
        "dtype": str(compute_dtype(settings.learner.dtype)),
        "seed": seed,
        "answers": hashlib.sha256(json.dumps(shown).encode()).hexdigest(),
    }
    if start:
        described["taught further"] = list(start.hashes().values())
    if settings.learner.quantization != "none":
        described["quantization"] = settings.learner.quantization
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]
