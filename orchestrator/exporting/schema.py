"""The columns of exported turns: the one table from which rows, Arrow schema and dataset card are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1
"""Version of the columns below; it grows when a column is removed or changes its meaning."""

Kind = Literal["string", "bool", "int32", "int64", "uint64", "float32", "float64", "ids", "floats", "mask"]
"""Type of a column: `ids` are a list of int32, `floats` one of float32, `mask` one of int8, each 0 or 1."""

LISTS: frozenset[Kind] = frozenset({"ids", "floats", "mask"})
"""Types of lists."""


@dataclass(frozen=True)
class Column:
    """A column of exported turns."""

    name: str
    kind: Kind
    help: str
    optional: bool = False
    """Whether it can be null."""


def of_role(role: str) -> tuple[Column, ...]:
    """The columns of a role's answer."""
    return (
        Column(f"{role}_prompt_ids", "ids", f"token ids of the {role}'s prompt"),
        Column(f"{role}_token_ids", "ids", f"token ids of the {role}'s answer, as sampled"),
        Column(
            f"{role}_logprobs",
            "floats",
            "natural log-probability of each token of the answer, under the distribution it was drawn from",
        ),
        Column(f"{role}_temperature", "float32", "sampling temperature; 0 takes the most likely token"),
        Column(f"{role}_length_limited", "bool", "whether the limit on tokens ended the answer"),
        Column(f"{role}_adapter_version", "int64", "version of the adapter; -1 for the base model alone"),
        Column(f"{role}_adapter_epoch", "int64", "number of restarts of the learner that made the adapter"),
        Column(
            f"{role}_adapter_sha256",
            "string",
            "SHA-256 of the adapter; null for the base model alone, and in runs of versions without hashes",
            optional=True,
        ),
        Column(f"{role}_engine_seconds", "float64", "time in the engine, including the wait in its queue"),
    )


EPISODE_COLUMNS = (
    Column("schema_version", "int32", "version of these columns"),
    Column("run_id", "string", "id of the run"),
    Column("episode", "int64", "position of the episode in the run, from 0"),
    Column("group", "int64", "group of the episode; the episodes of a group play the same task"),
    Column("attempt", "int32", "number of earlier leases for the same position"),
    Column("seed", "uint64", "seed of the environment and of sampling"),
    Column("benchmark", "string", "name of the environment"),
    Column("task_type", "string", "type of the task"),
    Column("task_id", "string", "name of the task"),
    Column("goal", "string", "task in words"),
    Column("turns", "int32", "number of turns of the episode"),
    Column("won", "bool", "whether the episode was won"),
    Column("score", "float32", "degree of success of the episode, in [0, 1]"),
    Column("terminated", "bool", "whether the episode was won or lost"),
    Column("truncated", "bool", "whether the step limit ended the episode"),
    Column("set_aside", "string", "reason why no update can use the episode; else null", optional=True),
)
"""Columns that have the same value in all turns of an episode."""

_PLAY = (
    Column("turn", "int32", "number of the turn, from 0"),
    Column("observation", "string", "observation before the action"),
    Column("decision", "string", "`keep` or `switch`; a segment begins with each `switch`"),
    Column("subgoal", "string", "subgoal in force"),
    Column("plan_valid", "bool", "whether the planner's answer could be parsed"),
    Column("action", "string", "action that the environment was given"),
    Column("action_valid", "bool", "whether the executor's answer could be parsed"),
    Column("reward", "float32", "reward of the benchmark, neither scaled nor shaped"),
    Column("seconds", "float64", "duration of the turn"),
    Column("environment_seconds", "float64", "duration of the environment's step"),
)

_MASKS = (
    Column("planner_decision_mask", "mask", "1 for the tokens that state the decision; none at turn 0"),
    Column("planner_subgoal_mask", "mask", "1 for the tokens that state a new subgoal"),
    Column("executor_action_mask", "mask", "1 for the tokens that state the action"),
)

_CREDIT = tuple(
    Column(f"{name}_{level}", "float64", text.format(tokens), optional=True)
    for level, tokens in (("low", "the action"), ("high", "the subgoal"), ("switch", "the decision"))
    for name, text in (
        ("advantage", "advantage of {}, as an update used it; null if none has"),
        ("value", "critic's value before {}; null if the estimator has none"),
    )
)

_ENDING = (
    Column("last", "bool", "whether it is the episode's last turn"),
    Column("final_observation", "string", "observation after the last turn; null before it", optional=True),
    Column(
        "final_planner_prompt_ids",
        "ids",
        "planner's prompt at the final observation, with bootstrap = final; else null",
        optional=True,
    ),
    Column("final_executor_prompt_ids", "ids", "executor's prompt there; else null", optional=True),
)

TURN_COLUMNS = (*_PLAY, *of_role("planner"), *of_role("executor"), *_MASKS, *_CREDIT, *_ENDING)
"""Columns of a single turn."""

COLUMNS = (*EPISODE_COLUMNS, *TURN_COLUMNS)
"""All columns in their order."""
