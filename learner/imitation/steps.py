"""The steps of imitation: an adapter learns to give the answers of demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from configuration.learner import ImitationSettings
from core.role import Role
from learner.update.optimizer import AdapterOptimizer
from learner.update.packing import TokenSequence, pack
from learner.update.policy import AdaptedModel


def imitate(
    model: AdaptedModel,
    role: Role,
    episodes: Sequence[Sequence[TokenSequence]],
    settings: ImitationSettings,
    pack_tokens: int,
    generator: np.random.Generator,
    optimizer: AdapterOptimizer,
    losses: list[float],
    on_step: Callable[[], None],
) -> None:
    """Teaches one adapter to give these answers, with the cross entropy averaged over a step's answer tokens.

    Args:
        model: Model that holds the adapter.
        role: Role of the adapter.
        episodes: Answers of each episode; drawn in random order, without repeating any before all were drawn.
        settings: Number of steps and of turns per step, learning rate, whether episodes stay together.
        pack_tokens: Largest number of tokens computed together.
        generator: Random generator for the order.
        optimizer: Optimizer of the adapter.
        losses: Loss of each step in nats per token. Steps whose loss it holds already are left out; those of
            the others are appended.
        on_step: Called after each step.
    """
    steps = settings.steps_of(role)
    answers = [answer for episode in episodes for answer in episode]
    lengths = [len(episode) for episode in episodes] if settings.order == "episodes" else [1] * len(answers)
    shown = answer_order(lengths, steps * settings.batch_turns, generator)
    for step, places in enumerate(shown.reshape(steps, settings.batch_turns)):
        if step < len(losses):
            continue
        # The learning rate falls linearly to 0.
        optimizer.set_learning_rate(settings.learning_rate * (1 - step / steps))
        loss = _step(model, role.value, [answers[place] for place in places], pack_tokens)
        optimizer.step()
        losses.append(loss)
        on_step()


def _step(model: AdaptedModel, adapter: str, answers: Sequence[TokenSequence], pack_tokens: int) -> float:
    total = sum(len(answer.response_ids) for answer in answers)
    loss = 0.0
    for one in pack(answers, pack_tokens, model.device):
        temperatures = torch.ones(len(one.targets), device=model.device)
        pack_loss = -model.answer_scores(one, adapter, temperatures).logprobs.sum() / total
        pack_loss.backward()
        loss += float(pack_loss.detach())
    return loss


def answer_order(lengths: Sequence[int], shown: int, generator: np.random.Generator) -> np.ndarray:
    """Places of `shown` answers: parts of these lengths in random order, but in order within each part.

    No part comes again before all others have come.
    """
    parts = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    passes = -(-shown // sum(lengths))
    drawn = [parts[part] for _ in range(passes) for part in generator.permutation(len(parts))]
    return np.concatenate(drawn)[:shown]
