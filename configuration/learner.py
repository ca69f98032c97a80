"""The `learner`, `ppo`, `critic`, `lora` and `imitation` sections of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AllowInfNan, Field, field_validator, model_validator

from configuration.section import Bound, Section
from configuration.servers import ServerSettings
from core import packages, shown
from core.role import Role

Quantization = Literal["none", "nf4"]
"""Formats of the learner's frozen base model beside its number format."""


def check_packages(quantization: Quantization) -> None:
    """Raises `ConfigurationError` with the command that installs bitsandbytes if it is needed and missing."""
    if quantization != "none":
        packages.need(
            ("bitsandbytes",),
            f"learner.quantization = {quantization} needs bitsandbytes",
            "bitsandbytes",
            f"{shown.command('//orchestrator:train')} --learner.quantization {quantization}",
        )


class LearnerSettings(ServerSettings):
    """The learner service: the size of its batches and updates, and what it computes with."""

    updates: int = Field(2, ge=1)
    """Number of updates in the whole run; each uses one batch of episodes."""
    episodes_per_update: int = Field(8, ge=1)
    """Number of episodes in a batch."""
    group_size: int = Field(1, ge=1)
    """Number of consecutive episodes of the same task; GRPO compares them."""
    max_lag: int = Field(0, ge=0)
    """Number of updates by which an episode may lag behind; 0 is synchronous, as in the paper."""
    lease_seconds: float = Field(30.0, gt=0)
    """Seconds after which an episode is leased again whose orchestrator has stopped renewing its lease."""
    model: str = Field("bundled", min_length=1)
    """Base model of both policies and the critic; must be the servers' base model."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the base model; adapters, heads and optimizer are float32."""
    threads: int = Field(2, ge=1)
    """CPU threads; if max_lag is 0, the model servers are idle during an update."""
    pack_tokens: int = Field(1024, ge=128)
    """Number of tokens computed together, at most: turns are packed without padding."""
    quantization: Quantization = "none"
    """Format in which the frozen base model is held: `nf4` is 4 bits for each weight of a linear layer, which
    are computed with in `dtype`; it needs HIPER_EXTRAS=bitsandbytes."""
    gradient_checkpointing: bool = False
    """Whether the forward pass keeps only each block's input, and the backward pass computes the rest again:
    less memory, a third more work."""
    keep_checkpoints: int = Field(3, ge=1)
    """Number of newest checkpoints that are kept; adapters of all versions are kept."""
    ranks: int = Field(1, ge=1)
    """Number of processes that share an update, one per GPU if there are GPUs; DeepSpeed starts them."""
    optimizer: Literal["torch", "deepspeed"] = "torch"
    """Library of the optimizer with a single rank; several ranks always use DeepSpeed."""
    zero_stage: int = Field(0, ge=0, le=3)
    """ZeRO stage, what DeepSpeed shards over ranks: nothing (0), moments (1), also gradients (2), also its
    copy of the weights (3)."""

    shard_base: bool = False
    """Whether each rank holds only its part of the frozen base model's blocks, and gathers a block when it
    computes it; needs several ranks and gradient_checkpointing."""

    @property
    def with_deepspeed(self) -> bool:
        return self.ranks > 1 or self.optimizer == "deepspeed"

    @model_validator(mode="after")
    def _shards_are_gathered_again(self) -> Self:
        # Without checkpointing, the backward pass would keep all gathered weights.
        if self.shard_base and not (self.ranks > 1 and self.gradient_checkpointing):
            raise ValueError(
                "learner.shard_base = true needs learner.ranks of 2 or more and "
                "learner.gradient_checkpointing = true"
            )
        return self

    @model_validator(mode="after")
    def _only_whole_weights_are_divided(self) -> Self:
        if self.shard_base and self.quantization != "none":
            raise ValueError(
                f"learner.quantization = {self.quantization}: weights of 4 bits cannot be divided among "
                "ranks; learner.shard_base = false is needed"
            )
        return self

    @model_validator(mode="after")
    def _only_deepspeed_shards(self) -> Self:
        if self.zero_stage and not self.with_deepspeed:
            raise ValueError(
                f"learner.zero_stage = {self.zero_stage} is DeepSpeed's: with learner.ranks = 1 it needs "
                f"learner.optimizer = deepspeed"
            )
        return self


class LoraSettings(Section):
    """The shape of all adapters: the planner's, the executor's and the critic's."""

    rank: int = Field(8, ge=1)
    """Rank of the two factors of an adapter."""
    alpha: int = Field(16, ge=1)
    """Scale of an adapter: the product of its factors is multiplied by alpha / rank."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers that have adapters, by the last part of their name."""
    last_layers: int | None = Field(None, ge=1)
    """Number of blocks that have adapters, counted from the last; all of a model that has no more, or if it
    is none. Below them, an update has no backward pass, which is most of its cost."""


class PpoSettings(Section):
    """The update of both policies: PPO with clipping."""

    learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of AdamW; constant."""
    planner_learning_rate: float | None = Field(None, gt=0)
    """Learning rate of the planner, which has fewer tokens to learn from; none means `learning_rate`."""
    clip: Bound = 0.2
    """Clipping range: probability ratios beyond 1 ± clip give no gradient."""
    kl_coefficient: float = Field(0.01, ge=0)
    """Weight of the KL divergence from the reference in the loss (estimator k3, with low variance)."""
    kl_reference: Literal["start", "base"] = "start"
    """Reference of the KL divergence: `start` is the adapters that the run started with, so that a warm
    start is not undone; `base` is the base model without an adapter. Without a warm start, both are the
    same."""
    entropy_coefficient: float = Field(0.0, ge=0)
    """Weight of the entropy bonus in the loss."""
    epochs: int = Field(1, ge=1)
    """Number of passes over a batch."""
    minibatches: int = Field(1, ge=1)
    """Number of optimizer steps per pass, at most one per pack; packs are distributed evenly."""
    max_gradient_norm: Bound = 1.0
    """Norm to which longer gradients are scaled down."""
    importance_cap: Bound = 2.0
    """Upper limit of a token's importance weight: its probability by the learner over that when sampled."""
    importance_band: tuple[float, Annotated[float, AllowInfNan(True)]] = (0.5, 5.0)
    """Band of importance weights; tokens whose weight is outside are masked out of the loss."""
    importance_stop: float = Field(0.2, gt=0, le=1)
    """Share of masked tokens above which the run stops with a message."""

    @field_validator("importance_band")
    @classmethod
    def _band_holds_something(cls, band: tuple[float, float]) -> tuple[float, float]:
        low, high = band
        if not 0 <= low <= high:
            raise ValueError("two numbers are needed, 0 or more, the lower one first")
        return band

    def learning_rate_of(self, role: Role) -> float:
        if role is Role.PLANNER and self.planner_learning_rate is not None:
            return self.planner_learning_rate
        return self.learning_rate


class CriticSettings(Section):
    """The value functions: linear in hidden states of the models that the run started with."""

    heads: Literal["three", "two"] = "three"
    """Number of value heads: `three` adds V_switch, the baseline of the switch decision; `two` is the
    paper's."""
    targets: Literal["returns", "estimator"] = "returns"
    """What the heads learn to predict: `returns` is Monte-Carlo returns; `estimator` is the estimator's own
    targets, which contain the critic's values (`estimator.lambda_target`)."""
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.3, 1.0, 3.0, 10.0, 30.0), min_length=1)
    """Ridge penalties to choose from by episodes that are held out, relative to the number of inputs; each is
    the ratio of noise to signal that it is best for."""
    folds: int = Field(6, ge=1)
    """Number of parts that a batch's episodes are dealt into. The values of a part are from heads that were
    fitted without it; another part chooses the penalty."""
    memory: int = Field(4, ge=0)
    """Number of earlier batches that the heads also learn from."""
    warmup: int = Field(0, ge=0)
    """Number of first updates that train only the critic (verl's `critic_warmup`)."""


_ADVISERS = ("adviser", "decisive")
"""Teachers that can say at any turn what is right, whoever acted before."""


class ImitationSettings(Section):
    """The warm start: both adapters learn the answer formats from demonstrations."""

    enabled: bool = True
    """Whether there is a warm start; without it, the first adapters change nothing."""
    shipped: bool = True
    """Whether to start from the pair in the repository, if one fits model, LoRA and prompts; otherwise one
    is taught."""
    teacher: Literal["rule", "expert", "adviser", "decisive"] = "rule"
    """Scripted player that is imitated: `rule` decides from what it sees, as the models must; `expert`
    knows the solution; `adviser` decides from what it sees, whoever acted before, so it can teach with
    mistakes; so can WebShop's `decisive`, which buys sooner and so is easier to imitate."""
    mistakes: float = Field(0.0, ge=0, lt=1)
    """Share of turns in which another action is played than the one that is taught, possible or not, so
    that the models learn to continue after mistakes; needs the teacher `adviser` or `decisive`."""
    steps: int = Field(20, ge=0)
    """Number of optimizer steps for each adapter."""
    planner_steps: int | None = Field(None, ge=0)
    """Number of optimizer steps for the planner, which has less to learn; none means `steps`."""
    batch_turns: int = Field(8, ge=1)
    """Number of turns per step."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of AdamW, which falls linearly to zero."""
    games: int = Field(60, ge=0)
    """Number of tasks of the training split whose demonstrations are used. With 0 and without `episodes`, a
    run starts from the pair in `adapters` as it is."""
    episodes: tuple[Path, ...] = ()
    """Folders of runs whose episodes are lessons, too: at each of their turns, the teacher says what would
    have been right, whatever was played (DAgger, arXiv 1011.0686). Needs the teacher `adviser` or
    `decisive`."""
    adapters: Path | None = None
    """Pair of adapters to start from, which is taught further: a folder with `planner` and `executor`. None
    means adapters that change nothing."""
    family_games: int | None = Field(None, ge=1)
    """Largest number of tasks of one family among them, such as WebShop's goals for the same product: a few
    products have most goals. None means any number; in a mix of environments, any number is used."""
    lost: bool = True
    """Whether demonstrations in which the teacher does not succeed are used too."""
    order: Literal["turns", "episodes"] = "turns"
    """Order of the lessons: `turns` draws single turns; `episodes` draws episodes, whose turns are shown
    together, which is faster if each prompt continues the one before, as in the formats `transcript` and
    `nano`."""

    def steps_of(self, role: Role) -> int:
        if role is Role.PLANNER and self.planner_steps is not None:
            return self.planner_steps
        return self.steps

    @model_validator(mode="after")
    def _only_an_adviser_goes_on_after_mistakes(self) -> Self:
        if self.teacher in _ADVISERS:
            return self
        need = f"needs imitation.teacher = {' or '.join(_ADVISERS)}: the {self.teacher} player"
        if self.mistakes:
            raise ValueError(f"imitation.mistakes = {self.mistakes} {need} cannot go on after mistakes")
        if self.episodes:
            raise ValueError(
                f"imitation.episodes {need} cannot say what is right after actions that are not its own"
            )
        return self

    @property
    def has_lessons(self) -> bool:
        """Whether anything is taught; otherwise a run starts from `adapters` as they are."""
        return self.games > 0 or bool(self.episodes)

    @model_validator(mode="after")
    def _there_are_lessons_or_a_pair(self) -> Self:
        if not self.has_lessons and self.adapters is None:
            raise ValueError(
                "imitation.games = 0 needs imitation.episodes for lessons, or imitation.adapters to start "
                "from; --no-warm-start does without"
            )
        return self
