"""The policy loss: PPO's clipped surrogate with truncated importance weights, and a KL term."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from configuration.learner import PpoSettings
from learner.update.policy import AnswerScores
from learner.update.ranks import Ranks

_LARGEST_DIFFERENCE = 20.0
"""Limit on differences of log-probabilities, within which their exponentials are finite in float32."""
_LARGEST_KL = 10.0
"""Limit on the KL estimate of one token, as in verl: a token that is far likelier under the reference would
otherwise outweigh all others."""


@dataclass(frozen=True, eq=False)
class AnswerTokens:
    """The data of R answer tokens that does not depend on the policy."""

    sampled: Tensor
    """[R] log-probability under the distribution that the token was drawn from."""
    advantages: Tensor
    """[R] advantage of the token."""
    learns: Tensor
    """[R] whether the token contributes to the loss, bool."""
    temperatures: Tensor
    """[R] temperature that the token was drawn at."""


@dataclass(frozen=True, eq=False)
class TokenSums:
    """Sums over the learning tokens; divided by `tokens` they are means."""

    tokens: Tensor
    """Number of learning tokens."""
    loss: Tensor
    """Whole loss; the only sum with a gradient."""
    policy_loss: Tensor
    """Surrogate part of the loss."""
    clipped: Tensor
    """Number of tokens whose clipped term is larger, so that they have no gradient."""
    masked: Tensor
    """Number of tokens whose importance weight is outside the band."""
    truncated: Tensor
    """Number of tokens within the band whose importance weight is cut to the cap."""
    kl_to_reference: Tensor
    """k3 estimate of KL(policy || reference)."""
    kl_sampler: Tensor
    """k3 estimate of KL(sampler || learner before the update)."""
    kl_update: Tensor
    """k1 estimate of KL(learner before the update || policy)."""
    sampler_difference: Tensor
    """Absolute difference between the sampler's log-probabilities and those that the learner recomputed."""
    entropy: Tensor
    """Entropy of the policy at each token, in nats."""

    @classmethod
    def of_nothing(cls, device: torch.device) -> TokenSums:
        return cls(*torch.zeros(len(fields(cls)), device=device))

    def over(self, ranks: Ranks) -> TokenSums:
        """The sums over the tokens of all ranks."""
        return TokenSums(*ranks.sum(torch.stack(list(vars(self).values()))))

    def detached(self) -> TokenSums:
        return TokenSums(**{name: value.detach() for name, value in vars(self).items()})

    def __add__(self, other: TokenSums) -> TokenSums:
        return TokenSums(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def mean(self, name: str) -> float:
        return float(getattr(self, name) / self.tokens.clamp(min=1))


def token_losses(
    scores: AnswerScores,
    old: Tensor,
    reference: Tensor | None,
    tokens: AnswerTokens,
    settings: PpoSettings,
) -> TokenSums:
    """Sums of losses and statistics over the R answer tokens of a pack.

    With p a token's probability under the policy, p_old under the learner before the update, p_sampled under
    the sampler, p_ref under the reference, and A the advantage:

        ratio = p / p_old,   w = p_old / p_sampled
        loss  = min(w, importance_cap) * max(-A ratio, -A clip(ratio, 1 - clip, 1 + clip))
                + kl_coefficient * (p_ref / p - log(p_ref / p) - 1) - entropy_coefficient * entropy

    PPO is from arXiv 1707.06347; the KL estimate is k3 of Schulman, "Approximating KL divergence"; the
    truncated weight is from arXiv 2312.05253. A token with w outside importance_band adds nothing to the
    loss.

    Args:
        scores: Scores of the tokens by the current policy.
        old: [R] log-probabilities by the learner before the update.
        reference: [R] log-probabilities by the reference; None leaves the KL term out.
        tokens: The tokens as sampled.
        settings: Settings of the update.
    """
    learns = tokens.learns.float()
    # Without a gradient: neither the sampler nor the learner before the update depends on the parameters.
    weight = _exp(old - tokens.sampled)
    low, high = settings.importance_band
    inside = ((weight >= low) & (weight <= high)).float() * learns
    truncated = (weight > settings.importance_cap).float() * inside
    weight = weight.clamp(max=settings.importance_cap)

    ratio = _exp(scores.logprobs - old)
    plain = -tokens.advantages * ratio
    clipped = -tokens.advantages * ratio.clamp(1 - settings.clip, 1 + settings.clip)
    # The greater of two losses, and thus PPO's smaller of two gains: clipping never hides a loss.
    surrogate = weight * torch.maximum(plain, clipped)
    kl = torch.zeros_like(old) if reference is None else _k3(scores.logprobs, reference)
    loss = surrogate + settings.kl_coefficient * kl - settings.entropy_coefficient * scores.entropy
    # Tokens outside the band add nothing to the loss, but count in its mean and in most statistics.
    return TokenSums(
        tokens=learns.sum(),
        loss=(loss * inside).sum(),
        policy_loss=(surrogate * inside).sum(),
        clipped=((clipped > plain).float() * inside).sum(),
        masked=learns.sum() - inside.sum(),
        truncated=truncated.sum(),
        kl_to_reference=(kl * learns).sum(),
        kl_sampler=(_k3(tokens.sampled, old) * learns).sum(),
        kl_update=((old - scores.logprobs) * learns).sum(),
        sampler_difference=((old - tokens.sampled).abs() * learns).sum(),
        entropy=(scores.entropy * learns).sum(),
    )


def _exp(difference: Tensor) -> Tensor:
    return difference.clamp(-_LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE).exp()


def _k3(logprobs: Tensor, other: Tensor) -> Tensor:
    """Estimate of KL(p || q) from samples of p, for p = exp(logprobs) and q = exp(other).

    It is q/p - log(q/p) - 1: unbiased like the plain -log(q/p), but never negative and with less variance.
    """
    difference = (other - logprobs).clamp(-_LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE)
    return (difference.exp() - difference - 1).clamp(max=_LARGEST_KL)
