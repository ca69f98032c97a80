"""Reference batches in a JSON file: a list of cases, each with `config`, `input` and `output`."""

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
    """The file is not a list of reference batches; the message says where and why."""


class CaseConfig(BaseModel):
    """The settings of one batch, under the reference's names; `bootstrap_truncated` is `bootstrap: last`."""

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
    """[T] each: the turns of all episodes, in any order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    traj: list[int | str]
    """Which episode a turn belongs to."""
    turn: list[int]
    """0, 1, ... within the episode."""
    done: list[bool]
    """True on the last turn of a terminated episode."""
    switch: list[bool]
    reward: list[FiniteFloat]
    value_low: list[FiniteFloat]
    value_high: list[FiniteFloat]
    value_switch: list[FiniteFloat] | None = None
    action_valid: list[bool]


class CaseOutput(BaseModel):
    """[T] each, in the input's order; a `return` is a value target. High: 0 off the segment starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    advantage_low: list[FiniteFloat]
    advantage_high: list[FiniteFloat]
    advantage_switch: list[FiniteFloat] | None = None
    return_low: list[FiniteFloat]
    return_high: list[FiniteFloat]
    return_switch: list[FiniteFloat] | None = None


class Case(BaseModel):
    """A batch and what the reference made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: CaseConfig
    input: CaseInput
    output: CaseOutput


@dataclass(frozen=True)
class Difference:
    """How far one array of one case is from the reference."""

    case: int
    field: str
    greatest: float


def read_cases(path: Path) -> list[Case]:
    """The cases of the file, at least one. `CaseError` where it cannot be read as such."""
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
    """Our estimate against the reference, array by array. `CaseError` names a case that is no batch."""
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
    """[T] the turns in order of episode and turn; [E + 1] the offsets of the episodes in that order."""
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
