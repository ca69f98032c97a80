"""Compares the estimators with the batches of a reference implementation, which are cases in a JSON file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from hae.arrays import Ints
from hae.batch import BatchError, TurnBatch
from hae.estimate import estimate
from hae.settings import EstimatorSettings, KeepPenalty, Normalize


class CaseError(ValueError):
    """The file is not a list of valid cases; the message says where and why."""


class CaseConfig(BaseModel):
    """The settings of a case, with the reference's names; `bootstrap_truncated` is our `bootstrap: last`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gamma: float
    lambda_turn: float
    lambda_segment: float
    normalize: bool
    bootstrap_truncated: bool
    keep_penalty: float
    keep_penalty_mode: Literal["none", "fixed", "normalized"]
    invalid_action_penalty: float


class CaseInput(BaseModel):
    """The turns of all episodes in any order; all fields are [T]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    traj: list[int | str]
    """Name of the episode that each turn belongs to."""
    turn: list[int]
    """Number of each turn within its episode, from 0."""
    done: list[bool]
    """Whether the turn is the last one of a terminated episode."""
    switch: list[bool]
    reward: list[FiniteFloat]
    value_low: list[FiniteFloat]
    value_high: list[FiniteFloat]
    value_switch: list[FiniteFloat] | None = None
    action_valid: list[bool]


class CaseOutput(BaseModel):
    """The reference's results in the order of the input; all fields are [T].

    A `return` is a value target. Those of the high level are 0 except at segment starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    advantage_low: list[FiniteFloat]
    advantage_high: list[FiniteFloat]
    advantage_switch: list[FiniteFloat] | None = None
    return_low: list[FiniteFloat]
    return_high: list[FiniteFloat]
    return_switch: list[FiniteFloat] | None = None


class Case(BaseModel):
    """A batch, and what the reference computed from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: CaseConfig
    input: CaseInput
    output: CaseOutput


@dataclass(frozen=True)
class Difference:
    """The greatest difference between our array and the reference's, for one field of one case."""

    case: int
    field: str
    greatest: float


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, at least one; raises `CaseError` if the file cannot be read or has none."""
    try:
        cases = TypeAdapter(list[Case]).validate_json(path.read_bytes())
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CaseError(f"{path}: {where}: {first['msg']}") from error
    if not cases:
        raise CaseError(f"{path}: no cases")
    return cases


def differences(cases: list[Case]) -> Iterator[Difference]:
    """The differences between our arrays and the reference's; raises `CaseError` for an invalid case."""
    for number, case in enumerate(cases):
        try:
            yield from _differences(number, case)
        except (BatchError, ValidationError) as error:
            raise CaseError(f"case {number}: {error}") from error


def _differences(number: int, case: Case) -> Iterator[Difference]:
    order, offsets = _episodes(case.input)
    ours = estimate(_batch(case.input, order, offsets), _settings(case.config))
    for field, array in {
        "advantage_low": ours.low,
        "advantage_high": ours.high,
        "advantage_switch": ours.switch,
        "return_low": ours.target_low,
        "return_high": ours.target_high,
        "return_switch": ours.target_switch,
    }.items():
        theirs = getattr(case.output, field)
        if theirs is None:
            continue
        if array is None:
            raise BatchError(f"output has {field}, but input has no value_switch")
        if len(theirs) != len(order):
            raise BatchError(f"output {field} has {len(theirs)} turns, but input has {len(order)}")
        yield Difference(number, field, float(np.abs(array - np.asarray(theirs)[order]).max()))


def _episodes(turns: CaseInput) -> tuple[Ints, Ints]:
    """[T] order that sorts the turns by episode and number; [E + 1] offsets of the episodes in that order."""
    if len(turns.turn) != len(turns.traj) or not turns.traj:
        raise BatchError(f"input traj has {len(turns.traj)} turns, turn has {len(turns.turn)}")
    names = list(dict.fromkeys(turns.traj))
    rank = {name: e for e, name in enumerate(names)}
    episode = np.array([rank[name] for name in turns.traj])
    order = np.lexsort((np.asarray(turns.turn), episode))
    offsets = np.searchsorted(episode[order], np.arange(len(names) + 1))
    expected = np.arange(len(order)) - offsets[episode[order]]
    wrong = np.flatnonzero(np.asarray(turns.turn)[order] != expected)
    if len(wrong):
        name = names[episode[order][wrong[0]]]
        raise BatchError(f"the turns of traj {name!r} are not numbered 0, 1, 2, ...")
    return order, offsets


def _batch(turns: CaseInput, order: Ints, offsets: Ints) -> TurnBatch:
    columns: dict[str, Any] = {}
    for name in ("reward", "switch", "value_low", "value_high", "value_switch", "action_valid", "done"):
        column = getattr(turns, name)
        if column is not None and len(column) != len(order):
            raise BatchError(f"input {name} has {len(column)} turns, but traj has {len(order)}")
        columns[name] = None if column is None else np.asarray(column)[order]
    done = columns.pop("done")
    terminated = done[offsets[1:] - 1]
    if done.sum() != terminated.sum():
        raise BatchError("done is true before the last turn of an episode")
    return TurnBatch(episode_offsets=offsets, terminated=terminated, **columns)


def _settings(config: CaseConfig) -> EstimatorSettings:
    flag = config.normalize
    return EstimatorSettings(
        gamma=config.gamma,
        lambda_turn=config.lambda_turn,
        lambda_segment=config.lambda_segment,
        keep_penalty=KeepPenalty(mode=config.keep_penalty_mode, value=config.keep_penalty),
        invalid_action_penalty=config.invalid_action_penalty,
        bootstrap="last" if config.bootstrap_truncated else "none",
        normalize=Normalize(low=flag, high=flag, switch=flag),
    )
