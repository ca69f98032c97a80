"""The `learner`, `ppo`, `critic`, `lora` and `imitation` sections of the configuration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from configuration.section import Section
from configuration.servers import ServerSettings
from core.role import Role


class LearnerSettings(ServerSettings):
    """The learner service: how much it gathers, and what it computes with."""

    updates: int = Field(2, ge=1)
    """Updates in all; each takes one batch of episodes."""
    episodes_per_update: int = Field(8, ge=1)
    """Episodes in a batch."""
    group_size: int = Field(1, ge=1)
    """Episodes of the same task that follow each other; GRPO compares them."""
    max_lag: int = Field(0, ge=0)
    """Updates by which an episode may lag behind; 0 is synchronous, as in the paper."""
    lease_seconds: float = Field(900.0, gt=0)
    """Time for an episode after which it is leased again."""
    model: str = "bundled"
    """Base model of both policies and the critic; must be what the servers run."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the base model; adapters, heads and optimizer are float32."""
    threads: int = Field(2, ge=1)
    """CPU threads; the model servers are idle during an update when max_lag is 0."""
    pack_tokens: int = Field(1024, ge=128)
    """Tokens computed together: turns are packed without padding up to this many."""
    keep_checkpoints: int = Field(3, ge=1)
    """Newest checkpoints that stay; adapters of all versions do."""
    ranks: int = Field(1, ge=1)
    """Processes that compute an update together, one a GPU where there are GPUs; DeepSpeed starts them."""
    optimizer: Literal["torch", "deepspeed"] = "torch"
    """What holds the optimizer of a single rank; several ranks always have DeepSpeed's."""
    zero_stage: int = Field(0, ge=0, le=3)
    """What DeepSpeed shards over ranks: moments (1), gradients too (2), its copy of the weights too (3)."""

    @property
    def with_deepspeed(self) -> bool:
        return self.ranks > 1 or self.optimizer == "deepspeed"

    @model_validator(mode="after")
    def _only_deepspeed_shards(self) -> Self:
        if self.zero_stage and not self.with_deepspeed:
            raise ValueError(
                f"learner.zero_stage = {self.zero_stage} is DeepSpeed's: with learner.ranks = 1 it needs "
                f"learner.optimizer = deepspeed"
            )
        return self


class LoraSettings(Section):
    """Shape of the adapters: planner's, executor's and critic's alike."""

    rank: int = Field(8, ge=1)
    """Rank of the two factors."""
    alpha: int = Field(16, ge=1)
    """Scale: the product of the factors is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers that are adapted, by the last part of their name."""
    last_layers: int | None = Field(None, ge=1)
    """Blocks that are adapted, counted from the last; none means all. Below them an update has no backward
    pass, which is most of what it costs."""


class PpoSettings(Section):
    """The policy update (PPO with clipping) of both adapters."""

    learning_rate: float = Field(1e-4, gt=0)
    """AdamW, constant."""
    planner_learning_rate: float | None = Field(None, gt=0)
    """Of the planner alone, which has fewer tokens to learn from; none means the same as the executor's."""
    clip: float = Field(0.2, gt=0)
    """Probability ratios beyond 1 ± clip give no gradient."""
    kl_coefficient: float = Field(0.01, ge=0)
    """Weight of the KL estimate (k3, low variance) to the reference."""
    kl_reference: Literal["start", "base"] = "start"
    """`start` is the adapters that the run began with, such as those of a warm start, which the base model
    would pull against; `base` is the base model without adapter. Without a warm start both are the same."""
    entropy_coefficient: float = Field(0.0, ge=0)
    """Weight of the entropy bonus."""
    epochs: int = Field(1, ge=1)
    """Passes over a batch."""
    minibatches: int = Field(1, ge=1)
    """Optimizer steps in a pass, at most one a pack; packs are dealt out evenly."""
    max_gradient_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    importance_cap: float = Field(2.0, gt=0)
    """Truncation of a token's weight: probability by the learner over probability when sampled."""
    importance_band: tuple[float, float] = (0.5, 5.0)
    """Tokens whose weight lies outside are left out of the loss."""
    importance_stop: float = Field(0.2, gt=0, le=1)
    """Share of tokens left out above which the run stops with a message."""

    def learning_rate_of(self, role: Role) -> float:
        if role is Role.PLANNER and self.planner_learning_rate is not None:
            return self.planner_learning_rate
        return self.learning_rate


class CriticSettings(Section):
    """The value functions: heads on the base model with a LoRA adapter of its own."""

    learning_rate: float = Field(3e-4, gt=0)
    """AdamW, constant; for adapter and heads."""
    heads: Literal["three", "two"] = "three"
    """`three` has V_switch and trains the switch decision by it; `two` is the paper's."""
    clip: float = Field(0.5, gt=0)
    """Values move by at most this much in one update, in units of the success reward's tenth."""
    epochs: int = Field(1, ge=1)
    """Passes over a batch."""
    minibatches: int = Field(1, ge=1)
    """Optimizer steps in a pass; packs are dealt out evenly."""
    start: Literal["zero", "mean"] = "zero"
    """What all values are at first: 0, or the mean return of the first batch. HAE takes one head's value from
    another's, and on their way from 0 to where they belong the heads are not equally far."""
    warmup: int = Field(0, ge=0)
    """Updates at the beginning that train the critic alone (verl's `critic_warmup`): without values, whatever
    happens to come before a success looks good, such as the last switch."""


class ImitationSettings(Section):
    """The warm start: both adapters learn the formats from demonstrations."""

    enabled: bool = True
    """False starts from adapters that change nothing."""
    shipped: bool = True
    """Starts from the pair kept in the repository where it fits model, LoRA and prompts; else teaches."""
    teacher: Literal["rule", "expert", "adviser"] = "rule"
    """Scripted player that is imitated: `rule` goes by what it sees, as the models must; `expert` knows the
    way; `adviser` goes by what it sees whatever was done before, so it can teach with mistakes."""
    mistakes: float = Field(0.0, ge=0, lt=1)
    """Share of turns at which something else is done than what is taught, possible or not: so the models
    learn to go on after mistakes. Needs the teacher `adviser`."""
    steps: int = Field(20, ge=1)
    """Optimizer steps for each adapter."""
    planner_steps: int | None = Field(None, ge=1)
    """Of the planner alone, which has less to learn; none means as many as the executor's."""
    batch_turns: int = Field(8, ge=1)
    """Turns in a step."""
    learning_rate: float = Field(1e-3, gt=0)
    """AdamW, falling linearly to zero."""
    games: int = Field(60, ge=1)
    """Tasks of the training split whose demonstrations are shown."""
    order: Literal["turns", "episodes"] = "turns"
    """`turns` draws each turn by itself; `episodes` draws episodes, whose turns are shown together: quicker
    where each prompt goes on from the one before, as in the formats `transcript` and `nano`."""

    def steps_of(self, role: Role) -> int:
        if role is Role.PLANNER and self.planner_steps is not None:
            return self.planner_steps
        return self.steps

    @model_validator(mode="after")
    def _only_the_adviser_goes_on_after_mistakes(self) -> Self:
        if self.mistakes and self.teacher != "adviser":
            raise ValueError(
                f"imitation.mistakes = {self.mistakes} needs imitation.teacher = adviser: the {self.teacher} "
                f"player cannot go on after what it did not do"
            )
        return self
