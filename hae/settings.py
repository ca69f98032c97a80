"""The `estimator` section of the configuration: which advantages are computed, and how."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class KeepPenalty(BaseModel):
    """A penalty for every KEEP turn; it is added to the turn's reward before advantages are computed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: Literal["none", "fixed", "normalized"] = "fixed"
    """Kind of penalty: `fixed` adds `value` to each KEEP turn; `normalized` adds `value` / T to each KEEP
    turn of an episode of T > 1 turns; `none` adds nothing."""
    value: float = Field(default=-0.3, le=0.0, allow_inf_nan=False)
    """Reward to add, at most 0; HiPER has -0.3 (`fixed`) on ALFWorld, -3.5 (`normalized`) on WebShop."""


class Normalize(BaseModel):
    """Which levels are normalised, to mean 0 over the whole batch and divided by a standard deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    low: bool = True
    """Whether the advantages of actions are normalised, over all turns."""
    high: bool = True
    """Whether the advantages of subgoals are normalised, over the turns that start a segment."""
    switch: bool = True
    """Whether the advantages of decisions are normalised, over all turns."""
    deviation: Literal["own", "low"] | None = None
    """Divisor: `own` is each level's own standard deviation; `low` is that of the actions' advantages for all
    three levels, so that small advantages of decisions stay small. If not set, it is `low` for `dgae`, whose
    decisions are credited only with what they changed, and `own` for the others."""


class EstimatorSettings(BaseModel):
    """How advantages are computed from rewards and values; the defaults are HiPER's for ALFWorld."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    estimator: Literal["hae", "gae", "dgae", "grpo", "gigpo"] = "hae"
    """Name of the estimator: `hae` is hierarchical; `gae` goes from turn to turn, `dgae` from decision to
    decision; `grpo` compares the episodes of a group, `gigpo` also the group's turns in the same state."""
    gamma: float = Field(default=1.0, gt=0.0, le=1.0)
    """Discount per turn; not used by `grpo` and `gigpo`."""
    lambda_turn: float = Field(default=1.0, ge=0.0, le=1.0)
    """GAE's lambda from turn to turn: inside a segment (`hae`), along the episode (`gae`)."""
    lambda_segment: float = Field(default=0.95, ge=0.0, le=1.0)
    """GAE's lambda from segment to segment (`hae` only)."""
    lambda_boundary: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the next segment's advantage that actions and decisions are credited with (`hae` only): the
    value after a segment is V_high + lambda_boundary * A_high of the next one. HiPER has 0."""
    lambda_decision: float = Field(default=0.95, ge=0.0, le=1.0)
    """GAE's lambda from decision to decision (`dgae` only)."""
    lambda_target: float | None = Field(default=None, ge=0.0, le=1.0)
    """Lambda of the value targets, in place of the lambdas above; with 1 they are Monte-Carlo returns. If not
    set, targets and advantages have the same lambdas."""
    success_reward: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)
    """Factor of the score in [0, 1]; applied by whoever builds the batch, not by the estimator."""
    keep_penalty: KeepPenalty = KeepPenalty()
    """Penalty for KEEP turns."""
    invalid_action_penalty: float = Field(default=0.1, ge=0.0, allow_inf_nan=False)
    """Amount that is subtracted from the reward of a turn whose action could not be parsed."""
    bootstrap: Literal["none", "last", "final"] = "none"
    """Value after a truncated episode: `none` is 0, for tasks in which running out of turns is a failure;
    `last` is the value at the last turn (V_high: at the last segment's start), as in HiPER's code; `final` is
    the value at the observation after the last turn, which the batch must then have."""
    normalize: Normalize = Normalize()
    """Normalisation of each level; `true` or `false` sets all three. Not used by `grpo` and `gigpo`."""
    group_scale: Literal["std", "none"] = "std"
    """Divisor of `grpo` and `gigpo`: `std` is the group's standard deviation; with `none`, only the group's
    mean is subtracted (Dr. GRPO)."""
    step_weight: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """Weight of a turn's advantage in its state, relative to the episode's in its group (`gigpo` only)."""
    step_gamma: float = Field(default=0.95, gt=0.0, le=1.0)
    """Discount per turn of the returns that turns in the same state are compared by (`gigpo` only)."""

    @property
    def uses_values(self) -> bool:
        """Whether the estimator reads value functions and returns targets for them."""
        return self.estimator not in ("grpo", "gigpo")

    @property
    def relies_on(self) -> tuple[str, ...]:
        """Names of the value functions that replace a part of the return in some advantage.

        If they are wrong, advantages are biased. The others are baselines, which only change the variance.
        """
        if not self.uses_values:
            return ()
        if self.estimator == "hae":
            low = ("low",) if self.lambda_turn < 1 else ()
            return ("high", *low) if min(self.lambda_segment, self.lambda_boundary) < 1 else low
        trusted = self.lambda_decision if self.estimator == "dgae" else self.lambda_turn
        return ("high", "low", "switch") if trusted < 1 else ()

    @property
    def deviation(self) -> Literal["own", "low"]:
        """The divisor of normalised advantages: that of `normalize`, or else the estimator's."""
        return self.normalize.deviation or ("low" if self.estimator == "dgae" else "own")

    @field_validator("normalize", mode="before")
    @classmethod
    def _one_flag_for_all_levels(cls, value: Any) -> Any:
        return Normalize(low=value, high=value, switch=value) if isinstance(value, bool) else value
