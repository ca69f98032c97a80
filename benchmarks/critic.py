"""`bazel run //benchmarks:critic`: an update with today's critic, compared with one with the earlier critic.

That one was a third adapter with value heads. An update computed the values of all prompts with it, and
trained it by gradient in a pass over them: no memory of earlier batches, no episodes held out. It is re-made
here. Both have the same episodes, model, packs and updates of the policies, in one process. Each part is
timed separately, and the times are added. Today's critic starts with a full memory of earlier batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.results import Figure, Outcome, ResultFlags, wait_for_device
from benchmarks.settings import TRANSCRIPTS
from benchmarks.training import demonstrations
from configuration.command import main, read
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from core.progress import Progress, progress
from core.role import Role
from hae import TurnBatch, estimate
from learner.update.credit import Floats, States, turn_batch, with_values
from learner.update.critic import Critic
from learner.update.features import FeatureReader
from learner.update.optimizer import AdapterOptimizer
from learner.update.packing import Pack, TokenSequence, pack
from learner.update.policy import AdaptedModel
from learner.update.policy_update import PolicyUpdate
from learner.update.samples import answer_samples
from serving.model import ModelFolder, compute_device, compute_dtype, resolve_model
from trajectory.episode import Episode

GOAL = 1.5
TODAY = ("features", "regressions")
BEFORE = ("values", "gradient")
POLICIES = ("planner", "executor")
_RATE, _CLIP = 3e-4, 0.5
"""Learning rate of the earlier critic, and the largest change of a value in one update."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    episodes: int = Field(6, ge=1)
    """Number of demonstrations of training games that the update learns from."""
    rounds: int = Field(3, ge=1)
    """Number of updates that are timed."""


class GradientCritic:
    """The earlier critic: heads on the last hidden state of a model with an adapter of the critic's own."""

    def __init__(self, model: AdaptedModel, adapter: str, heads: int, pack_tokens: int) -> None:
        """`adapter` takes the place of the third one, which has the same shape."""
        self._model, self._adapter, self._pack_tokens = model, adapter, pack_tokens
        self._heads = nn.Linear(model.hidden_size, heads, device=model.device)
        parameters = {f"heads.{name}": one for name, one in self._heads.named_parameters()}
        self._optimizer = AdapterOptimizer({**model.parameters_of(adapter), **parameters}, _RATE, 1.0)

    @torch.no_grad()
    def values(self, prompts: Sequence[tuple[int, ...]]) -> Tensor:
        """[P, heads] values of the prompts."""
        values = torch.zeros(len(prompts), self._heads.out_features, device=self._model.device)
        for one in self._packs(prompts):
            values[list(one.members)] = self._read(one)
        return values

    def update(self, prompts: Sequence[tuple[int, ...]], old: Tensor, targets: Tensor) -> None:
        """One pass with one optimizer step, on verl's clipped value loss; `old` and `targets` [P, heads]."""
        for one in self._packs(prompts):
            rows = list(one.members)
            values, before, target = self._read(one), old[rows], targets[rows]
            near = before + (values - before).clamp(-_CLIP, _CLIP)
            loss = torch.maximum((values - target).square(), (near - target).square()).sum() / 2
            (loss / len(prompts)).backward()
        self._optimizer.step()

    def _packs(self, prompts: Sequence[tuple[int, ...]]) -> list[Pack]:
        return pack([TokenSequence(prompt) for prompt in prompts], self._pack_tokens, self._model.device)

    def _read(self, one: Pack) -> Tensor:
        hidden = self._model.hidden_states(one, self._adapter)[one.prompt_ends]
        values: Tensor = self._heads(hidden.float())
        return values


@dataclass
class Clock:
    """Seconds of each part, one number per round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        wait_for_device()
        self.seconds.setdefault(part, []).append(time.perf_counter() - began)


class Update:
    """The parts of an update of one batch of episodes."""

    def __init__(self, c: Configuration, base: ModelFolder, episodes: Sequence[Episode]) -> None:
        torch.set_num_threads(c.learner.threads)
        self._c, self._episodes = c, episodes
        pack_tokens = c.learner.pack_tokens
        device, dtype = compute_device(), compute_dtype(c.learner.dtype)
        model = AdaptedModel(base.path, c.lora, dtype, device, c.run.seed)
        reader = FeatureReader(model, pack_tokens)
        # As after a warm start, where features are those of the first adapters.
        reader.adapters = {role: role.value for role in Role}
        ppo = c.ppo.model_copy(update={"importance_band": (0.0, float("inf"))})
        self._policies = {
            role: PolicyUpdate(
                model,
                role.value,
                AdapterOptimizer(model.parameters_of(role.value), ppo.learning_rate_of(role), 1.0),
                ppo,
                pack_tokens,
            )
            for role in Role
        }
        self._today = Critic(reader, c.critic, c.estimator)
        self._before = GradientCritic(model, Role.PLANNER.value, len(self._today.names), pack_tokens)
        self._states = States.of(episodes, c.estimator.bootstrap)
        self._batch = turn_batch(episodes, c.estimator)
        self._step_limits = np.full(len(episodes), c.environment.step_limit)

    def rounds(self, count: int, report: Progress) -> Clock:
        """Times all parts this many times, in turn."""
        clock, first = Clock(), self._c.critic.memory
        report(0.0, "fill the critic's memory")
        experience, _ = self._today.read(self._batch, self._states, self._step_limits, lambda _: None)
        for version in range(first):
            self._today.remember(version, experience)
        for number in range(count):
            report(number / count, f"update {number + 1} of {count}")
            self._once(clock, first + number)
        return clock

    def _once(self, clock: Clock, version: int) -> None:
        generator = np.random.default_rng(version)
        with clock.timing("features"):
            experience, _ = self._today.read(self._batch, self._states, self._step_limits, lambda _: None)
        with clock.timing("regressions"):
            valued = self._today.update(experience, version, generator)
        advantages = estimate(self._with(valued.values), self._c.estimator)
        for role, policy in self._policies.items():
            samples = answer_samples(self._episodes, advantages, role)
            with clock.timing(role.value):
                policy.run(samples, generator, lambda _: None)
        prompts = self._states.prompts
        with clock.timing("values"):
            values = self._before.values(prompts)
        with clock.timing("gradient"):
            self._before.update(prompts, values, torch.zeros_like(values))

    def _with(self, values: Floats) -> TurnBatch:
        return with_values(self._batch, self._states, values, self._today.names, self._c.estimator.bootstrap)


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "critic", BenchmarkFlags, TRANSCRIPTS), Console()
    c, flags = line.configuration, line.flags
    outcome = Outcome("critic", argv, flags)
    # As the learner does.
    keep_freed_memory()
    model = resolve_model(c.learner.model)
    episodes = demonstrations(c, model, flags.episodes)
    with progress(console, "critic") as report:
        seconds = Update(c, model, episodes).rounds(flags.rounds, report).seconds
    outcome.show(_table(c, episodes, seconds), figures=[_figure(seconds)])
    return 0


def _figure(seconds: dict[str, list[float]]) -> Figure:
    ratios = [now / then for now, then in zip(_sums(seconds, TODAY), _sums(seconds, BEFORE), strict=True)]
    return Figure("time of an update, critic of today / of before", median(ratios), GOAL, at_least=False)


def _sums(seconds: dict[str, list[float]], critic: tuple[str, ...]) -> list[float]:
    """Seconds of each update: of this critic's parts and of the policies."""
    return [sum(parts) for parts in zip(*(seconds[part] for part in (*critic, *POLICIES)), strict=True)]


def _table(c: Configuration, episodes: Sequence[Episode], seconds: dict[str, list[float]]) -> Table:
    turns = sum(len(episode.turns) for episode in episodes)
    title = f"{len(episodes)} episodes, {turns} turns, prompts: {c.executor.prompt_format}"
    table = Table("critic", "its parts", "planner, executor", "update, s", title=title)
    policies = ", ".join(f"{median(seconds[part]):.1f}" for part in POLICIES)
    for name, critic in (("today", TODAY), ("before", BEFORE)):
        parts = ", ".join(f"{part} {median(seconds[part]):.1f}" for part in critic)
        table.add_row(name, parts, policies, f"{median(_sums(seconds, critic)):.1f}")
    return table


if __name__ == "__main__":
    main(run)
