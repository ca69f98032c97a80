"""Numbers that are not finite: a step of them is skipped and counted, three in a row end the training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from configuration.learner import PpoSettings
from core.errors import DivergedError
from core.role import Role
from hae import Advantages
from learner.update.optimizer import AdapterOptimizer
from learner.update.samples import answer_samples
from learner.update.trainer import Trainer
from serving.model import ModelFolder
from tests.learner.tiny import episodes, settings, tiny_model
from trajectory.episode import Episode


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def batch(base: ModelFolder) -> list[Episode]:
    return episodes(base)


def silent(share: float, message: str) -> None: ...


@pytest.mark.parametrize(
    ("loss", "gradient", "named"), [(math.nan, 1.0, "loss"), (1.0, math.inf, "gradient")]
)
def test_a_good_step_begins_the_count_anew(loss: float, gradient: float, named: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = AdapterOptimizer({"p": parameter}, 0.1, 1.0, owner="planner")

    def step(loss: float, gradient: float) -> bool:
        parameter.grad = torch.full((2,), gradient)
        return optimizer.step(loss).skipped

    assert step(loss, gradient) and step(loss, gradient)
    assert torch.equal(parameter, torch.zeros(2))
    assert not step(1.0, 1.0)
    assert step(loss, gradient) and step(loss, gradient)
    with pytest.raises(DivergedError, match=f"planner's {named} was not finite in 3 steps in a row"):
        step(loss, gradient)


def poison(trainer: Trainer, adapter: str) -> None:
    with torch.no_grad():
        next(iter(trainer._parameters()[adapter].values())).fill_(math.nan)


def test_three_steps_in_a_row_that_are_not_finite_end_it_and_name_the_part(
    base: ModelFolder, batch: list[Episode]
) -> None:
    trainer = Trainer(settings(), base, seed=0)
    poison(trainer, "planner")
    for _ in range(2):
        metrics = trainer.update(batch, silent).metrics
        assert metrics["actor/planner/skipped_steps"] == 1
        assert metrics["actor/executor/skipped_steps"] == 0
        assert all(math.isfinite(value) for value in metrics.values())
    with pytest.raises(DivergedError, match="planner's loss was not finite in 3 steps in a row"):
        trainer.update(batch, silent)
    assert trainer.version == 2


def test_skipped_steps_are_counted_across_a_checkpoint(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    made = settings(PpoSettings(learning_rate=1e-4))
    trainer = Trainer(made, base, seed=0)
    poison(trainer, "executor")
    for _ in range(2):
        trainer.update(batch, silent)
    trainer.save_checkpoint(tmp_path / "2", consumed=())
    resumed = Trainer(made, base, seed=0)
    resumed.load_checkpoint(tmp_path / "2")
    with pytest.raises(DivergedError, match="executor's loss"):
        resumed.update(batch, silent)


def test_several_steps_of_one_update_count(base: ModelFolder, batch: list[Episode]) -> None:
    trainer = Trainer(settings(PpoSettings(epochs=3)), base, seed=0)
    poison(trainer, "executor")
    with pytest.raises(DivergedError, match="executor's loss"):
        trainer.update(batch, silent)
    assert trainer.version == 0


def test_values_that_are_not_finite_end_it_at_once(base: ModelFolder, batch: list[Episode]) -> None:
    trainer = Trainer(settings(), base, seed=0)
    trainer._critic.heads.shared.fill_(math.nan)
    with pytest.raises(DivergedError, match="the critic's values of 24 of 24 prompts are not finite"):
        trainer.update(batch, silent)


def test_one_advantage_that_is_not_finite_costs_one_step(base: ModelFolder, batch: list[Episode]) -> None:
    trainer = Trainer(settings(), base, seed=0)
    advantages = Advantages(
        segment_start=np.ones(12, dtype=np.bool_),
        low=np.ones(12),
        high=np.ones(12),
        switch=None,
        target_low=None,
        target_high=None,
        target_switch=None,
        target_high_mask=np.zeros(12, dtype=np.bool_),
    )
    samples = answer_samples(batch, advantages, Role.EXECUTOR)
    samples[5].advantages[0] = math.nan
    policy, generator = trainer._policies[Role.EXECUTOR], np.random.default_rng(0)
    before = {name: p.clone() for name, p in trainer._parameters()["executor"].items()}
    metrics = policy.run(samples, generator, lambda share: None)
    assert metrics["skipped_steps"] == 1 and "loss" not in metrics
    assert all(torch.equal(p, before[name]) for name, p in trainer._parameters()["executor"].items())
    samples[5].advantages[0] = 1.0
    metrics = policy.run(samples, generator, lambda share: None)
    assert metrics["skipped_steps"] == 0 and math.isfinite(metrics["loss"])
