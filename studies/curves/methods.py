"""What the study compares: estimators of advantages, and a system without a hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configuration.tree import Configuration


@dataclass(frozen=True)
class Method:
    """A way to train, as changes to a horizon's configuration."""

    title: str
    """Name in tables and plots."""
    colour: str
    estimator: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the section `estimator` and their values."""
    hierarchy: bool = True
    """Whether a planner chooses subgoals."""
    uses_subgoals: bool = False
    """Whether advantages depend on where subgoals begin and end."""


METHODS = {
    "hae": Method("HAE", "tab:blue", {"estimator": "hae"}, uses_subgoals=True),
    "hae_boundary": Method(
        "HAE, boundary 0.95",
        "tab:cyan",
        {"estimator": "hae", "lambda_boundary": 0.95},
        uses_subgoals=True,
    ),
    "dgae": Method("dgae", "tab:red", {"estimator": "dgae"}, uses_subgoals=True),
    "gae": Method("flat GAE", "tab:orange", {"estimator": "gae", "lambda_turn": 0.95}),
    "grpo": Method("GRPO", "tab:green", {"estimator": "grpo"}),
    "gigpo": Method("GiGPO", "tab:olive", {"estimator": "gigpo"}),
    "no_hierarchy": Method(
        "no hierarchy", "tab:gray", {"estimator": "gae", "lambda_turn": 0.95}, hierarchy=False
    ),
}
"""Methods by the name that `--methods` takes."""


@dataclass(frozen=True)
class Cell:
    """A run of the study."""

    horizon: str
    method: str
    learning_rate: float
    """Learning rate of both policies."""
    seed: int

    @property
    def name(self) -> str:
        return f"{self.horizon}-{self.method}-{self.learning_rate:g}-{self.seed}"


def configured(base: Configuration, cell: Cell, model: Path, group_size: int) -> Configuration:
    """The configuration of a cell's run.

    Args:
        base: Configuration of the horizon, which is changed only in what the cell names.
        cell: The run.
        model: Folder of the base model.
        group_size: Number of episodes of the same task, for the estimators that compare those.
    """
    method, name = METHODS[cell.method], str(model)
    estimator = {**base.estimator.model_dump(), **method.estimator}
    changed = base.model_dump() | {"estimator": estimator}
    changed["run"]["seed"] = cell.seed
    changed["ppo"]["learning_rate"] = cell.learning_rate
    changed["planner"]["hierarchy"] = method.hierarchy
    for section in ("planner", "executor", "learner"):
        changed[section]["model"] = name
    made = Configuration.model_validate(changed)
    compared = 1 if made.estimator.uses_values else group_size
    changed["learner"]["group_size"] = compared
    return Configuration.model_validate(changed)
