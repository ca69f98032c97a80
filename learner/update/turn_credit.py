"""The advantages and values of an update, turn by turn, as the store keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from hae import Advantages, TurnBatch
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from trajectory.episode import Episode


def by_episode(
    episodes: Sequence[Episode], batch: TurnBatch, advantages: Advantages
) -> list[list[TurnAdvantages]]:
    """The credit of each turn of the batch, by episode."""
    turns = iter(range(len(advantages.low)))
    return [[_of_turn(batch, advantages, next(turns)) for _ in episode.turns] for episode in episodes]


def _of_turn(batch: TurnBatch, advantages: Advantages, turn: int) -> TurnAdvantages:
    switch = None if advantages.switch is None else float(advantages.switch[turn])
    low, high = float(advantages.low[turn]), float(advantages.high[turn])
    return TurnAdvantages(low, high, switch, _values(batch, turn))


def _values(batch: TurnBatch, turn: int) -> TurnValues | None:
    if batch.value_low is None or batch.value_high is None:
        return None
    switch = None if batch.value_switch is None else float(batch.value_switch[turn])
    return TurnValues(float(batch.value_low[turn]), float(batch.value_high[turn]), switch)
