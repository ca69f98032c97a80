"""The `estimator` section of the configuration: which advantages are computed, and how."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class KeepPenalty(BaseModel):
    """A cost of every KEEP turn, added to its reward before anything else."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: Literal["none", "fixed", "normalized"] = "fixed"
    """`fixed` adds `value` to each KEEP turn; `normalized` adds `value` / T to each KEEP turn of an episode
    of T > 1 turns; `none` adds nothing."""
    value: float = Field(default=-0.3, le=0.0, allow_inf_nan=False)
    """Reward, not positive; HiPER has -0.3 (`fixed`) for ALFWorld, -3.5 (`normalized`) for WebShop."""


class Normalize(BaseModel):
    """Which levels are brought to mean 0 over the whole batch and divided by a standard deviation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    low: bool = True
    """The executor's actions, over all turns."""
    high: bool = True
    """The planner's subgoals, over the turns that start a segment."""
    switch: bool = True
    """The planner's decisions, over all turns."""
    deviation: Literal["own", "low"] = "own"
    """Divisor: `own` each level's own standard deviation; `low` that of the actions' advantages for all three
    levels, so that small advantages of decisions stay small."""


class EstimatorSettings(BaseModel):
    """Everything between an episode's rewards and values and its advantages; the defaults are ALFWorld's."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    estimator: Literal["hae", "gae", "dgae", "grpo", "gigpo"] = "hae"
    """`hae` hierarchical; `gae` flat, from turn to turn; `dgae` from decision to decision; `grpo` relative to
    the other episodes of a group; `gigpo` also relative to the group's other turns in the same state."""
    gamma: float = Field(default=1.0, gt=0.0, le=1.0)
    """Discount per turn. Not used by `grpo` and `gigpo`."""
    lambda_turn: float = Field(default=1.0, ge=0.0, le=1.0)
    """GAE's lambda from turn to turn: inside a segment (`hae`), along the episode (`gae`)."""
    lambda_segment: float = Field(default=0.95, ge=0.0, le=1.0)
    """GAE's lambda from segment to segment (`hae` only)."""
    lambda_boundary: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the next segment's advantage that the actions and decisions before it are credited with (`hae`
    only): V_high + lambda_boundary * A_high follows a segment's last turn. 0 is HiPER's."""
    lambda_decision: float = Field(default=0.95, ge=0.0, le=1.0)
    """GAE's lambda from decision to decision (`dgae` only)."""
    lambda_target: float | None = Field(default=None, ge=0.0, le=1.0)
    """Lambda of the value targets, in place of all the lambdas above; 1 makes them Monte-Carlo returns.
    Without it, targets and advantages have the same lambdas."""
    success_reward: float = Field(default=10.0, gt=0.0, allow_inf_nan=False)
    """What the score in [0, 1] is multiplied with; by who builds the batch, not here."""
    keep_penalty: KeepPenalty = KeepPenalty()
    """The cost of KEEP turns."""
    invalid_action_penalty: float = Field(default=0.1, ge=0.0, allow_inf_nan=False)
    """Subtracted from the reward of a turn whose action could not be parsed."""
    bootstrap: Literal["none", "last", "final"] = "none"
    """The value after a truncated episode: `none` 0, right where running out of turns is a failure; `last`
    the value read at the last turn (segment start), as HiPER's code has it; `final` the value at the
    observation after the last turn, which the batch must then hold."""
    normalize: Normalize = Normalize()
    """Per level; `true` and `false` stand for all three. Not used by `grpo` and `gigpo`."""
    group_scale: Literal["std", "none"] = "std"
    """`grpo` and `gigpo`: divide by the group's standard deviation, or only subtract its mean (Dr. GRPO)."""
    step_weight: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    """Weight of the advantage among turns in the same state, next to that among episodes (`gigpo` only)."""
    step_gamma: float = Field(default=0.95, gt=0.0, le=1.0)
    """Discount per turn of the returns that are compared among turns in the same state (`gigpo` only)."""

    @property
    def uses_values(self) -> bool:
        """Whether the estimator reads value functions and returns targets for them."""
        return self.estimator not in ("grpo", "gigpo")

    @field_validator("normalize", mode="before")
    @classmethod
    def _one_flag_for_all_levels(cls, value: Any) -> Any:
        return Normalize(low=value, high=value, switch=value) if isinstance(value, bool) else value
