"""The policy loss by hand."""

from __future__ import annotations

import math

import pytest
import torch

from configuration.learner import PpoSettings
from learner.update.policy import AnswerScores
from learner.update.ppo import AnswerTokens, TokenSums, token_losses


def losses(
    now: list[float],
    old: list[float],
    sampled: list[float],
    advantages: list[float],
    reference: list[float] | None = None,
    learns: list[bool] | None = None,
    **settings: object,
) -> tuple[TokenSums, torch.Tensor]:
    """Probabilities in; the sums, and the gradient by the log-probabilities."""
    logprobs = torch.tensor(now).log().requires_grad_()
    tokens = AnswerTokens(
        torch.tensor(sampled).log(),
        torch.tensor(advantages),
        torch.tensor(learns if learns is not None else [True] * len(now)),
        torch.ones(len(now)),
    )
    base = None if reference is None else torch.tensor(reference).log()
    made = PpoSettings(**({"kl_coefficient": 0.0} | settings))
    sums = token_losses(
        AnswerScores(logprobs, torch.ones(len(now))), torch.tensor(old).log(), base, tokens, made
    )
    sums.loss.backward()
    assert logprobs.grad is not None
    return sums, logprobs.grad


def test_at_the_old_policy_the_gradient_is_the_advantage() -> None:
    sums, gradient = losses([0.5, 0.2], [0.5, 0.2], [0.5, 0.2], [2.0, -3.0])
    assert float(sums.loss) == pytest.approx(1.0)
    assert gradient.tolist() == pytest.approx([-2.0, 3.0])


def test_beyond_the_clip_only_the_worse_side_has_a_gradient() -> None:
    # Ratios 1.5, 1.5, 0.5, 0.5.
    sums, gradient = losses([0.6, 0.6, 0.2, 0.2], [0.4] * 4, [0.4] * 4, [1.0, -1.0, 1.0, -1.0])
    assert gradient.tolist() == pytest.approx([0.0, 1.5, -0.5, 0.0])
    assert float(sums.loss) == pytest.approx(-1.2 + 1.5 - 0.5 + 0.8)
    assert float(sums.clipped) == 2


def test_the_importance_weight_is_truncated_and_outside_the_band_a_token_counts_for_nothing() -> None:
    # Weights 0.8, 3 (cut to 2), 0.25 and 6 (left out).
    sums, gradient = losses([0.4, 0.6, 0.1, 0.6], [0.4, 0.6, 0.1, 0.6], [0.5, 0.2, 0.4, 0.1], [1.0] * 4)
    assert gradient.tolist() == pytest.approx([-0.8, -2.0, 0.0, 0.0])
    assert (float(sums.tokens), float(sums.masked), float(sums.truncated)) == (4, 2, 1)


def test_kl_to_the_base_is_the_low_variance_estimate() -> None:
    sums, gradient = losses([0.5], [0.5], [0.5], [0.0], reference=[0.25], kl_coefficient=0.1)
    assert float(sums.kl_to_reference) == pytest.approx(0.5 - math.log(0.5) - 1)
    assert float(sums.loss) == pytest.approx(0.1 * (0.5 - math.log(0.5) - 1))
    assert gradient.tolist() == pytest.approx([0.1 * (1 - 0.5)])


def test_tokens_that_do_not_learn_add_nothing() -> None:
    sums, gradient = losses(
        [0.5, 0.5], [0.5, 0.5], [0.5, 0.001], [1.0, 9.0], reference=[0.5, 0.1], learns=[True, False]
    )
    assert (float(sums.tokens), float(sums.masked)) == (1, 0)
    assert gradient.tolist() == pytest.approx([-1.0, 0.0])


def test_entropy_lowers_the_loss() -> None:
    sums, _ = losses([0.5], [0.5], [0.5], [0.0], entropy_coefficient=0.25)
    assert float(sums.loss) == pytest.approx(-0.25)


def test_extreme_differences_stay_finite() -> None:
    sums, gradient = losses([1.0, 1e-30], [1e-30, 1.0], [1e-30, 1.0], [-1.0, 1.0], reference=[1e-30, 1.0])
    assert math.isfinite(float(sums.loss)) and gradient.isfinite().all()


def test_sums_add_up_to_means() -> None:
    one, _ = losses([0.5], [0.5], [0.5], [1.0])
    other, _ = losses([0.5], [0.5], [0.1], [4.0], importance_cap=1.0)
    both = one.detached() + other.detached()
    assert both.mean("loss") == pytest.approx((-1.0 - 4.0) / 2)
