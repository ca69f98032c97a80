"""The value heads and the clipped value loss, with numbers that can be followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from configuration.learner import CriticSettings, LoraSettings
from learner.update.credit import ValueTargets
from learner.update.critic import Critic, ValueHeads, _explained_variance
from learner.update.optimizer import Step
from learner.update.policy import AdaptedModel
from run_folder import metric_names as names
from tests.learner.tiny import tiny_model

HEADS = ("high", "low")
PROMPTS = [(1, 2, 3), (1, 2, 4), (5, 6), (7,)]


class Recorder:
    """An optimizer that keeps the gradients of each step and leaves the parameters as they are."""

    def __init__(self, heads: ValueHeads) -> None:
        self.heads = heads
        self.losses: list[float] = []
        self.bias_gradients: list[list[float]] = []

    def step(self, loss: float) -> Step:
        self.losses.append(loss)
        assert self.heads.bias.grad is not None
        self.bias_gradients.append(self.heads.bias.grad.tolist())
        self.heads.zero_grad()
        return Step(gradient_norm=2.0, skipped=not np.isfinite(loss))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> AdaptedModel:
    folder: Path = tiny_model(tmp_path_factory.mktemp("base")).path
    return AdaptedModel(folder, LoraSettings(rank=2, alpha=4), torch.float32, torch.device("cpu"), seed=0)


def critic(
    model: AdaptedModel, start: float = 0.0, clip: float = 0.5, **settings: int
) -> tuple[Critic, Recorder]:
    heads = ValueHeads(HEADS, 64)
    heads.start_at(start)
    recorder = Recorder(heads)
    return Critic(model, heads, recorder, CriticSettings(**settings), clip, 128), recorder  # type: ignore[arg-type]


def learn(
    of: Critic, old: list[list[float]], targets: list[list[float]], learns: list[list[bool]] | None = None
) -> dict[str, float]:
    values = np.array(targets)
    mask = np.ones(values.shape, dtype=np.bool_) if learns is None else np.array(learns)
    generator = np.random.default_rng(0)
    return of.update(PROMPTS, np.array(old), ValueTargets(values, mask), generator, lambda _: None)


def test_heads_are_a_linear_function_in_float32() -> None:
    heads = ValueHeads(HEADS, 3)
    hidden = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.bfloat16)
    assert heads(hidden).tolist() == [[0.0, 0.0]]
    heads.start_at(4.0)
    assert heads(hidden).tolist() == [[4.0, 4.0]]
    with torch.no_grad():
        heads.weight[1] = torch.tensor([1.0, 0.0, -1.0])
    assert heads(hidden).tolist() == [[4.0, 2.0]]
    assert heads(hidden).dtype is torch.float32


def test_values_are_in_the_order_of_the_prompts(model: AdaptedModel) -> None:
    of, recorder = critic(model)
    with torch.no_grad():
        recorder.heads.weight.normal_(generator=torch.Generator().manual_seed(0))
    shares: list[float] = []
    together = of.values(PROMPTS, shares.append)
    assert together.shape == (4, 2) and len(np.unique(together)) == 8
    for place, prompt in enumerate(PROMPTS):
        alone = of.values([prompt], lambda _: None)
        np.testing.assert_allclose(alone[0], together[place], rtol=1e-4)
    assert shares[-1] == 1.0


def test_no_prompts_have_no_values(model: AdaptedModel) -> None:
    of, _ = critic(model)
    assert of.values([], lambda _: None).shape == (0, 2)


def test_the_loss_adds_the_heads_mean_squares(model: AdaptedModel) -> None:
    of, recorder = critic(model, start=1.0)
    metrics = learn(of, [[1.0, 1.0]] * 4, [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]])
    # high: (0 + 1 + 4 + 9) / 4 / 2; low: 1 / 2. The values have not moved, so that nothing is clipped.
    assert recorder.losses == [pytest.approx(1.75 + 0.5)]
    assert metrics[names.LOSS] == pytest.approx(2.25) and metrics[names.CLIP_FRACTION] == 0.0
    # Derivative by a bias: the mean of V - target.
    assert recorder.bias_gradients == [pytest.approx([-1.5, 1.0])]


def test_a_head_learns_only_from_its_own_prompts(model: AdaptedModel) -> None:
    of, recorder = critic(model)
    mask = [[True, False], [True, False], [False, False], [False, True]]
    learn(of, [[0.0, 0.0]] * 4, [[2.0, 9.0], [4.0, 9.0], [9.0, 9.0], [9.0, 1.0]], mask)
    assert recorder.losses == [pytest.approx((4 + 16) / 2 / 2 + 1 / 2)]
    assert recorder.bias_gradients == [pytest.approx([-3.0, -1.0])]


def test_a_value_that_has_moved_far_enough_has_no_gradient(model: AdaptedModel) -> None:
    of, recorder = critic(model, start=1.0, clip=0.5)
    # Old values 0: the new ones, 1, are cut to 0.5. Towards the target 3 the cut value is worse, so that it
    # counts: (0.5 - 3)²; away from the target -1 the uncut one is worse: (1 + 1)².
    metrics = learn(of, [[0.0, 0.0]] * 4, [[3.0, -1.0]] * 4)
    assert recorder.losses == [pytest.approx(2.5**2 / 2 + 2.0**2 / 2)]
    assert recorder.bias_gradients == [pytest.approx([0.0, 2.0])]
    assert metrics[names.CLIP_FRACTION] == pytest.approx(0.5)


def test_each_minibatch_of_each_epoch_is_a_step(model: AdaptedModel) -> None:
    of, recorder = critic(model, epochs=3)
    metrics = learn(of, [[0.0, 0.0]] * 4, [[1.0, 1.0]] * 4)
    assert recorder.losses == [pytest.approx(1.0)] * 3
    assert metrics[names.GRADIENT_NORM] == 2.0 and metrics[names.SKIPPED_STEPS] == 0


def test_a_step_that_was_skipped_has_no_loss(model: AdaptedModel) -> None:
    of, _ = critic(model)
    metrics = learn(of, [[0.0, 0.0]] * 4, [[1e30, 1.0]] * 4)
    assert metrics[names.SKIPPED_STEPS] == 1.0
    assert names.LOSS not in metrics and names.CLIP_FRACTION not in metrics


def test_metrics_are_of_the_values_before_the_update(model: AdaptedModel) -> None:
    of, _ = critic(model)
    mask = [[True, False], [True, False], [True, False], [False, False]]
    metrics = learn(
        of, [[1.0, 0], [2.0, 0], [3.0, 0], [9.0, 0]], [[2.0, 0], [4.0, 0], [6.0, 0], [9.0, 0]], mask
    )
    assert metrics[names.value_mean("high")] == pytest.approx(2.0)
    assert metrics[names.target_mean("high")] == pytest.approx(4.0)
    # The errors 1, 2, 3 vary by 2/3, the targets 2, 4, 6 by 8/3.
    assert metrics[names.explained_variance("high")] == pytest.approx(1 - (2 / 3) / (8 / 3))
    assert names.value_mean("low") not in metrics, "it learns nowhere"
    assert metrics[names.SEQUENCE_TOKENS] == 9.0
    assert metrics[names.COMPUTED_TOKENS] == 7.0, "two prompts share two tokens"


@pytest.mark.parametrize(
    ("value", "target", "explained"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([2, 2, 2], [1, 2, 3], 0.0),
        ([3, 2, 1], [1, 2, 3], -3.0),
        ([5, 1], [2, 2], 0.0),
    ],
)
def test_explained_variance(value: list[float], target: list[float], explained: float) -> None:
    assert _explained_variance(np.array(value, float), np.array(target, float)) == pytest.approx(explained)
