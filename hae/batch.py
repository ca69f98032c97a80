"""`TurnBatch`: the turns of many episodes in flat arrays, validated once, on construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hae.arrays import Bools, Floats, Ints, read_only, to_numpy


class BatchError(ValueError):
    """A batch that no advantage can be computed from; the message names the field, episode and turn."""


@dataclass(frozen=True)
class Episode:
    """One episode of T turns, for `TurnBatch.from_episodes`; the fields mean the same as in `TurnBatch`."""

    reward: Any
    switch: Any
    terminated: bool
    value_low: Any = None
    value_high: Any = None
    value_switch: Any = None
    action_valid: Any = None
    final_value_low: float | None = None
    final_value_high: float | None = None
    final_value_switch: float | None = None
    group: Any = None
    state: Any = None


@dataclass(frozen=True, eq=False)
class TurnBatch:
    """E episodes with T turns in all; episode e begins at turn `episode_offsets[e]`.

    Takes numpy arrays, sequences and torch tensors; holds read-only numpy arrays. A float64 array is not
    copied, so do not change it afterwards. Raises `BatchError` for wrong shapes, offsets and types, and for
    values that are not finite.
    """

    episode_offsets: Ints
    """[E + 1] first turn of each episode, then T; begins with 0 and strictly increases."""
    reward: Floats
    """[T] rewards of the environment, with success already scaled and penalties not yet applied."""
    switch: Bools
    """[T] decisions as recorded: True for SWITCH, False for KEEP. Turn 0 always starts a segment."""
    terminated: Bools
    """[E] whether the episode was won or finally lost; False if it was truncated."""
    value_low: Floats | None = None
    """[T] values of the executor's state, which includes the subgoal; needed by `hae`, `gae` and `dgae`."""
    value_high: Floats | None = None
    """[T] values of the planner's state before it writes a subgoal; needed by `hae`, `gae` and `dgae`."""
    value_switch: Floats | None = None
    """[T] values of the planner's state before it decides; None with two value heads."""
    action_valid: Bools | None = None
    """[T] whether the action could be parsed; None if all could."""
    final_value_low: Floats | None = None
    """[E] V_low at the observation after the last turn; read only if `bootstrap` is `final`, for truncated
    episodes."""
    final_value_high: Floats | None = None
    """[E] V_high at the same observation."""
    final_value_switch: Floats | None = None
    """[E] V_switch at the same observation; read by `gae` and `dgae` only."""
    group: npt.NDArray[Any] | None = None
    """[E] ids that are equal for episodes of the same task; needed by `grpo` and `gigpo`."""
    state: npt.NDArray[Any] | None = None
    """[T] ids that are equal for turns that began in the same state of the environment; needed by `gigpo`."""

    def __post_init__(self) -> None:
        offsets = _integers("episode_offsets", self.episode_offsets)
        reward = to_numpy(self.reward)
        if reward.ndim != 1:
            raise BatchError(f"reward has shape {reward.shape}; one axis of turns is accepted")
        _check_offsets(offsets, len(reward))
        locate = _Locator(offsets)
        for name, (convert, per_turn) in _FIELDS.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            array = convert(name, value, locate if per_turn else locate.episode)
            expected = len(reward) if per_turn else len(offsets) - 1
            if array.shape != (expected,):
                unit = "turns" if per_turn else "episodes"
                raise BatchError(f"{name} has shape {array.shape}, but the batch has {expected} {unit}")
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "episode_offsets", read_only(offsets))

    @property
    def episodes(self) -> int:
        """Number of episodes, E."""
        return len(self.episode_offsets) - 1

    @property
    def turns(self) -> int:
        """Number of turns of all episodes together, T."""
        return len(self.reward)

    @classmethod
    def from_episodes(cls, episodes: Sequence[Episode]) -> Self:
        """The batch of these episodes, in this order. Each optional field is set in all or in none."""
        if not episodes:
            raise BatchError("no episodes; at least one is needed")
        lengths = [len(episode.reward) for episode in episodes]
        columns: dict[str, Any] = {
            "episode_offsets": np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        }
        for name, (_, per_turn) in _FIELDS.items():
            column = [getattr(episode, name) for episode in episodes]
            missing = [number for number, value in enumerate(column) if value is None]
            if missing and (len(missing) < len(column) or name not in _OPTIONAL):
                raise BatchError(f"{name} is missing in episode {missing[0]}; all episodes need it, or none")
            if not missing:
                columns[name] = _joined(name, column, lengths) if per_turn else np.asarray(column)
        return cls(**columns)


class _Locator:
    """Describes in words the place of a flat index."""

    def __init__(self, offsets: Ints) -> None:
        self._offsets = offsets

    def __call__(self, index: int) -> str:
        episode = int(np.searchsorted(self._offsets, index, side="right")) - 1
        return f"episode {episode}, turn {index - self._offsets[episode]}"

    def episode(self, index: int) -> str:
        return f"episode {index}"


_Locate = Callable[[int], str]


def _joined(name: str, column: list[Any], lengths: list[int]) -> npt.NDArray[Any]:
    arrays = [to_numpy(value) for value in column]
    for episode, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        if array.shape != (length,):
            raise BatchError(f"{name} has shape {array.shape} in episode {episode}, which has {length} turns")
    return np.concatenate(arrays)


def _integers(name: str, values: Any) -> Ints:
    array = to_numpy(values)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise BatchError(f"{name} is {array.dtype} of shape {array.shape}; a list of integers is accepted")
    return array.astype(np.int64)


def _check_offsets(offsets: Ints, turns: int) -> None:
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != turns:
        raise BatchError(
            f"episode_offsets must go from 0 to the number of turns, {turns}; got {offsets.tolist()}"
        )
    empty = np.flatnonzero(offsets[1:] <= offsets[:-1])
    if len(empty):
        raise BatchError(f"episode {empty[0]} has no turns: episode_offsets must strictly increase")


def _floats(name: str, values: Any, locate: _Locate) -> Floats:
    array = to_numpy(values)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_) or np.iscomplexobj(array):
        raise BatchError(f"{name} holds {array.dtype}; real numbers are accepted")
    array = array.astype(np.float64, copy=False)
    if array.ndim == 1 and not np.isfinite(array).all():
        index = int(np.flatnonzero(~np.isfinite(array))[0])
        raise BatchError(f"{name} is {array[index]} at {locate(index)}; finite numbers are accepted")
    return array


def _bools(name: str, values: Any, locate: _Locate) -> Bools:
    array = to_numpy(values)
    if array.dtype == np.bool_:
        return array
    if array.ndim == 1:
        wrong = np.flatnonzero((array != 0) & (array != 1))
        if len(wrong):
            index = int(wrong[0])
            raise BatchError(
                f"{name} is {array[index]!r} at {locate(index)}; booleans (or 0 and 1) are accepted"
            )
    return array.astype(np.bool_)


def _labels(_name: str, values: Any, _locate: _Locate) -> npt.NDArray[Any]:
    return to_numpy(values)


_FIELDS: dict[str, tuple[Callable[[str, Any, _Locate], npt.NDArray[Any]], bool]] = {
    "reward": (_floats, True),
    "switch": (_bools, True),
    "terminated": (_bools, False),
    "value_low": (_floats, True),
    "value_high": (_floats, True),
    "value_switch": (_floats, True),
    "action_valid": (_bools, True),
    "final_value_low": (_floats, False),
    "final_value_high": (_floats, False),
    "final_value_switch": (_floats, False),
    "group": (_labels, False),
    "state": (_labels, True),
}
"""Function that converts each field, and whether the field is per turn; the others are per episode."""

_OPTIONAL = {field.name for field in fields(TurnBatch) if field.default is None}
