"""The trainer: the model with adapters, critic and optimizers, which makes the next version from episodes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from configuration.environment import EnvironmentSettings
from configuration.learner import CriticSettings, LearnerSettings, LoraSettings, PpoSettings
from configuration.tree import Configuration
from core.errors import InvalidInputError
from core.files import written_beside
from core.freed_memory import MemoryReturns
from core.progress import Progress
from core.role import Role
from hae import Advantages, EstimatorSettings, TurnBatch, estimate
from learner.service.run_parts import Update
from learner.update.adapter_files import read_adapter, write_adapter
from learner.update.checkpoint import (
    Checkpoint,
    CheckpointState,
    joined,
    of_group,
    read_checkpoint,
    write_checkpoint,
)
from learner.update.credit import States, turn_batch, with_values
from learner.update.critic import Critic
from learner.update.features import FeatureReader
from learner.update.optimizer import AdapterOptimizer, Optimizer
from learner.update.policy import AdaptedModel
from learner.update.policy_update import Advance, PolicyUpdate
from learner.update.ranks import ALONE, Ranks
from learner.update.samples import answer_samples
from learner.update.turn_credit import by_episode
from learner.update.update_metrics import advantage_metrics, placed, throughput_metrics
from run_folder import metric_names as names
from serving.adapters.origin import AdapterOrigin
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder, compute_device, compute_dtype
from trajectory.episode import Episode

_OF_THE_VALUES = ("estimator", "gamma", "success_reward")
"""Settings of the estimator that determine what the critic's values mean."""


@dataclass(frozen=True)
class TrainerSettings:
    """The sections of the configuration that an update depends on.

    Temperatures are not among them: every generation states the temperature that it was sampled at.
    """

    learner: LearnerSettings = field(default_factory=LearnerSettings)
    ppo: PpoSettings = field(default_factory=PpoSettings)
    critic: CriticSettings = field(default_factory=CriticSettings)
    lora: LoraSettings = field(default_factory=LoraSettings)
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    environment: EnvironmentSettings = field(default_factory=EnvironmentSettings)

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        return cls(
            learner=configuration.learner,
            ppo=configuration.ppo,
            critic=configuration.critic,
            lora=configuration.lora,
            estimator=configuration.estimator,
            environment=configuration.environment,
        )


class Trainer:
    """Trains both adapters and the critic.

    Not safe for use by several threads at once. Sets torch's number of threads for the whole process.
    """

    version: int
    """Version of the current adapters; 0 before the first update."""
    consumed: tuple[int, ...]
    """Numbers of the episodes that the loaded checkpoint was trained on; empty if none was loaded."""

    def __init__(
        self, settings: TrainerSettings, model: ModelFolder, seed: int, ranks: Ranks = ALONE
    ) -> None:
        """Loads the base model; at first, the adapters of planner and executor change nothing.

        With several `ranks`, each has a trainer, and all must call the same methods with the same arguments,
        except for `save_adapter`. Rank 0 writes the files.
        """
        torch.set_num_threads(settings.learner.threads)
        self.version = 0
        self.consumed = ()
        self._settings = settings
        self._base = model
        self._seed = seed
        self._ranks = ranks
        self._model = AdaptedModel(
            model.path,
            settings.lora,
            compute_dtype(settings.learner.dtype),
            _device(),
            seed,
            checkpointed=settings.learner.gradient_checkpointing,
            shards=ranks if settings.learner.shard_base else ALONE,
            quantization=settings.learner.quantization,
        )
        self._optimizers = {
            role: self._optimizer(
                role.value, self._model.parameters_of(role.value), settings.ppo.learning_rate_of(role)
            )
            for role in Role
        }
        pack_tokens = settings.learner.pack_tokens
        self._policies = {
            role: PolicyUpdate(
                self._model, role.value, self._optimizers[role], settings.ppo, pack_tokens, ranks
            )
            for role in Role
        }
        self._reader = FeatureReader(self._model, pack_tokens, ranks)
        self._critic = Critic(self._reader, settings.critic, settings.estimator, ranks)
        self._memory = MemoryReturns()

    @property
    def memory(self) -> int:
        """Number of batches before the newest one that the critic also learns from; see `remember`."""
        return self._settings.critic.memory if self._settings.estimator.uses_values else 0

    def load_adapters(self, pair: AdapterPair) -> None:
        """Starts from these adapters.

        Raises:
            NotFoundError: a file is missing.
            CorruptDataError: a file cannot be read, or a weight is not finite.
            PreconditionError: made for another base model, rank, scale or set of layers.
        """
        for role, folder in pair.items():
            read_adapter(self._model.peft, role.value, self._base.fingerprint, folder)

    def load_reference(self, pair: AdapterPair) -> None:
        """Uses these adapters for the critic's features, and as the KL reference if so configured.

        They are not part of a checkpoint: load them again after one, before `remember`. Without them, the
        base model takes their place.

        Raises:
            HiperError: for the same reasons as `load_adapters`.
        """
        self._give_memory_back()  # That of a warm start, which is over.
        held = self._settings.ppo.kl_reference == "start" and self._settings.ppo.kl_coefficient > 0
        if not held and not self._settings.estimator.uses_values:
            return
        for role, folder in pair.items():
            name = self._model.add_reference(role.value)
            read_adapter(self._model.peft, name, self._base.fingerprint, folder)
            self._reader.adapters[role] = name
            if held:
                self._policies[role].reference = name

    def remember(self, version: int, episodes: Sequence[Episode]) -> None:
        """Gives the critic back the batch of the update that followed `version`.

        The critic also learns from the last `critic.memory` batches, which are not part of a checkpoint.
        """
        if episodes and self._settings.estimator.uses_values:
            states = States.of(episodes, self._settings.estimator.bootstrap)
            batch = turn_batch(episodes, self._settings.estimator)
            limits = self._step_limits(episodes)
            self._critic.remember(version, self._critic.read(batch, states, limits, lambda share: None)[0])
            self._give_memory_back()

    def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
        """Makes the next version from a batch of whole episodes.

        First come the critic's values and its own update, then advantages of all turns, then the updates of
        planner and executor; the first `critic.warmup` updates train the critic only.

        Raises:
            InvalidInputError: there are no episodes, or final prompts are missing that the estimator needs.
            PreconditionError: the sampler's log-probabilities are too far from the learner's.
            DivergedError: the critic's values are not finite, or three optimizer steps in a row were not.
                After the last two errors the trainer is between two versions: resume from a checkpoint.
        """
        if not episodes:
            raise InvalidInputError("an update needs at least one episode")
        began = time.perf_counter()
        batch = turn_batch(episodes, self._settings.estimator)
        metrics: dict[str, float] = {}
        if self._settings.estimator.uses_values:
            batch, metrics = self._valued(episodes, batch, _stage(progress, 0.0, 0.3, "the critic"))
        valued = time.perf_counter()
        advantages = estimate(batch, self._settings.estimator)
        metrics |= advantage_metrics(advantages)
        metrics[names.TIME_ADVANTAGES] = time.perf_counter() - valued
        if not self._settings.estimator.uses_values or self.version >= self._settings.critic.warmup:
            for role, share in ((Role.PLANNER, 0.3), (Role.EXECUTOR, 0.65)):
                stage = _stage(progress, share, share + 0.35, f"update of the {role.value}")
                metrics |= self._update_policy(role, episodes, advantages, stage)
        self.version += 1
        metrics |= throughput_metrics(metrics, time.perf_counter() - began)
        self._give_memory_back()
        return Update(metrics, by_episode(episodes, batch, advantages))

    def save_adapter(self, role: Role, folder: Path) -> None:
        """Writes a role's adapter as a PEFT folder, which appears only once it is complete."""
        origin = AdapterOrigin(self._base.fingerprint, role.value, self.version)
        with written_beside(folder) as unfinished:
            write_adapter(self._model.peft, role.value, self._base.name, origin, unfinished)

    def skip_update(self) -> None:
        """Makes the next version without training: its adapters are those of the version before."""
        self.version += 1

    def save_checkpoint(
        self, folder: Path, consumed: Sequence[int], adapters: Mapping[str, str] | None = None
    ) -> None:
        """Writes all that the next update depends on; the folder appears only once it is complete.

        Args:
            folder: Folder of this version alone.
            consumed: Numbers of the episodes that were trained on so far.
            adapters: SHA-256 of this version's adapters as they were written, by role.
        """
        state = CheckpointState(
            self.version, self._seed, tuple(consumed), self._made_for(), dict(adapters or {})
        )
        # On every rank, although only one writes: sharded moments are gathered from all of them.
        moments = {role.value: optimizer.state() for role, optimizer in self._optimizers.items()}
        if self._ranks.leads:
            write_checkpoint(Checkpoint(state, joined(self._parameters()), joined(moments)), folder)

    def load_checkpoint(self, folder: Path) -> None:
        """Continues from a checkpoint, bit for bit. Nothing changes if it fails.

        Raises:
            NotFoundError: there is no such folder.
            CorruptDataError: a file is missing, cut off or changed.
            PreconditionError: it was made for another base model or configuration.
        """
        checkpoint = read_checkpoint(folder, self._made_for())
        with torch.no_grad():
            for group, parameters in self._parameters().items():
                for name, tensor in of_group(checkpoint.parameters, group).items():
                    parameters[name].copy_(tensor)
        for role, optimizer in self._optimizers.items():
            optimizer.load_state(of_group(checkpoint.moments, role.value))
        # Batches of another state of the run; `remember` brings those of this one.
        self._critic.forget()
        self.version, self._seed = checkpoint.state.version, checkpoint.state.seed
        self.consumed = checkpoint.state.consumed

    def _valued(
        self, episodes: Sequence[Episode], batch: TurnBatch, advance: Advance
    ) -> tuple[TurnBatch, dict[str, float]]:
        """The batch with values, and the metrics of the critic, which has learnt from it."""
        began = time.perf_counter()
        states = States.of(episodes, self._settings.estimator.bootstrap)
        experience, tokens = self._critic.read(batch, states, self._step_limits(episodes), advance)
        read = time.perf_counter()
        generator = np.random.default_rng([self._seed, self.version, len(Role)])
        valued = self._critic.update(experience, self.version, generator)
        measures = valued.metrics | tokens
        metrics = placed(measures, names.critic, names.TIME_UPDATE_CRITIC) | {names.TIME_VALUES: read - began}
        bootstrap = self._settings.estimator.bootstrap
        return with_values(batch, states, valued.values, self._critic.names, bootstrap), metrics

    def _step_limits(self, episodes: Sequence[Episode]) -> npt.NDArray[np.int64]:
        """[E] largest number of turns of each episode."""
        return np.array([self._settings.environment.step_limit_of(one.benchmark) for one in episodes])

    def _update_policy(
        self, role: Role, episodes: Sequence[Episode], advantages: Advantages, advance: Advance
    ) -> dict[str, float]:
        # From seed and version alone, so that a resumed run draws the same numbers without saving a state.
        generator = np.random.default_rng([self._seed, self.version, list(Role).index(role)])
        samples = answer_samples(episodes, advantages, role)
        metrics = self._policies[role].run(samples, generator, advance)
        metrics[names.LEARNING_RATE] = self._settings.ppo.learning_rate_of(role)
        return placed(metrics, partial(names.actor, role), names.time_update(role))

    def _optimizer(
        self, owner: str, parameters: Mapping[str, nn.Parameter], learning_rate: float
    ) -> Optimizer:
        learner, most = self._settings.learner, self._settings.ppo.max_gradient_norm
        if not learner.with_deepspeed:
            return AdapterOptimizer(parameters, learning_rate, most, owner)
        # Imported here: importing takes seconds, and DeepSpeed is not installed everywhere.
        from learner.update.deepspeed_optimizer import DeepSpeedOptimizer

        return DeepSpeedOptimizer(parameters, learning_rate, most, owner, self._ranks, learner.zero_stage)

    def _give_memory_back(self) -> None:
        """Gives free memory back, which would be kept for the next update.

        On a GPU, at once: until then, servers on the same GPU need it.
        """
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        self._memory.after_work()

    def _parameters(self) -> dict[str, dict[str, Tensor]]:
        groups: dict[str, dict[str, Tensor]] = {}
        for role in Role:
            groups[role.value] = dict(self._model.parameters_of(role.value))
        groups["heads"] = dict(self._critic.heads.tensors())
        return groups

    def _made_for(self) -> dict[str, Any]:
        """The base model and settings that give a checkpoint's numbers their meaning; others may change."""
        made = self._settings
        return {
            "base_fingerprint": self._base.fingerprint,
            **{f"lora.{key}": value for key, value in made.lora.model_dump(mode="json").items()},
            "critic.heads": made.critic.heads,
            **{f"estimator.{key}": getattr(made.estimator, key) for key in _OF_THE_VALUES},
        }


def _device() -> torch.device:
    device = compute_device()
    return torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" else device


def _stage(progress: Progress, begin: float, end: float, message: str) -> Advance:
    """A part of the update, which begins now."""
    progress(begin, message)
    return lambda share: progress(begin + (end - begin) * share, message)
