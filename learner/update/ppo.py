"""The policy loss: PPO's clipped surrogate under truncated importance weights, with a KL term."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from configuration.learner import PpoSettings
from learner.update.policy import AnswerScores
from learner.update.ranks import Ranks

_LARGEST_DIFFERENCE = 20.0
"""Log-probability differences are cut to this, where float32 exponentials are still finite."""
_LARGEST_KL = 10.0
"""Of one token, as in verl: a token that the reference finds far likelier would outweigh all others."""


@dataclass(frozen=True, eq=False)
class AnswerTokens:
    """What is known of R answer tokens before the loss; [R] each."""

    sampled: Tensor
    """Log-probability under the distribution that the token was drawn from."""
    advantages: Tensor
    learns: Tensor
    """bool"""
    temperatures: Tensor


@dataclass(frozen=True, eq=False)
class TokenSums:
    """Sums over the tokens that learn; divided by `tokens` they are means."""

    tokens: Tensor
    loss: Tensor
    """The whole loss; the only one with a gradient."""
    policy_loss: Tensor
    clipped: Tensor
    """Tokens whose clipped term is the greater one, and so has no gradient."""
    masked: Tensor
    """Tokens whose importance weight lies outside the band."""
    truncated: Tensor
    """Tokens inside the band whose importance weight is cut to the cap."""
    kl_to_reference: Tensor
    """k3 estimate of KL(policy || reference)."""
    kl_sampler: Tensor
    """k3 estimate of KL(sampler || learner before the update)."""
    kl_update: Tensor
    """k1 estimate of KL(learner before the update || now)."""
    sampler_difference: Tensor
    """Absolute difference of log-probability, sampled against recomputed."""
    entropy: Tensor

    @classmethod
    def of_nothing(cls, device: torch.device) -> TokenSums:
        return cls(*torch.zeros(len(fields(cls)), device=device))

    def over(self, ranks: Ranks) -> TokenSums:
        """The sums of all ranks together."""
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
    """Sums of losses and statistics over the R tokens of a pack.

    With p the policy's probability of a token, p_old the learner's before the update, p_sampled the
    sampler's, p_ref the reference's, A the advantage:

        ratio = p / p_old,   w = p_old / p_sampled
        loss  = min(w, importance_cap) * max(-A ratio, -A clip(ratio, 1 - clip, 1 + clip))
                + kl_coefficient * (p_ref / p - log(p_ref / p) - 1) - entropy_coefficient * entropy

    PPO is arXiv 1707.06347; the KL estimate is k3 of Schulman, "Approximating KL divergence"; the truncated
    weight is arXiv 2312.05253's. A token with w outside importance_band adds nothing.

    Args:
        scores: Of the tokens, by the policy as it stands.
        old: [R] log-probabilities by the learner before the update.
        reference: [R] by the model that the policy is held to; None leaves the KL term out.
        tokens: As sampled.
        settings: Of the update.
    """
    learns = tokens.learns.float()
    weight = _exp(old - tokens.sampled)
    low, high = settings.importance_band
    inside = ((weight >= low) & (weight <= high)).float() * learns
    truncated = (weight > settings.importance_cap).float() * inside
    weight = weight.clamp(max=settings.importance_cap)

    ratio = _exp(scores.logprobs - old)
    plain = -tokens.advantages * ratio
    clipped = -tokens.advantages * ratio.clamp(1 - settings.clip, 1 + settings.clip)
    surrogate = weight * torch.maximum(plain, clipped)
    kl = torch.zeros_like(old) if reference is None else _k3(scores.logprobs, reference)
    loss = surrogate + settings.kl_coefficient * kl - settings.entropy_coefficient * scores.entropy
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
    """Estimate of KL(p || q) from draws of p: q/p - log(q/p) - 1, never negative."""
    difference = (other - logprobs).clamp(-_LARGEST_DIFFERENCE, _LARGEST_DIFFERENCE)
    return (difference.exp() - difference - 1).clamp(max=_LARGEST_KL)
