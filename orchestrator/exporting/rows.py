"""Reads the turns of an episode as rows with the columns of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hiper.v1 import episode_pb2 as pb

from core.role import Role
from orchestrator.exporting.schema import SCHEMA_VERSION, of_role
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import Level, TurnAdvantages

Row = dict[str, Any]
"""Values by column; tokens as lists."""

_NAMES = {role.value: tuple(each.name for each in of_role(role.value)) for role in Role}
_LEVELS: tuple[Level, ...] = ("low", "high", "switch")


@dataclass(frozen=True)
class EpisodeRows:
    """The rows of an episode; each has the columns of `shared` and its own."""

    shared: Row
    """Columns that have the same value in every turn."""
    turns: list[Row]
    """The other columns of each turn."""


def read(store: EpisodeStore, number: int, set_aside: Mapping[int, str]) -> EpisodeRows:
    """The rows of the episode at this place.

    Args:
        store: The run's episodes; its learner may still write to it.
        number: Place of the episode.
        set_aside: Reasons why no update can use an episode, by place.

    Raises:
        NotFoundError: the place has none.
        CorruptDataError: what is stored there is not an episode.
    """
    message, credit = store.message(number), store.advantages(number)
    return EpisodeRows(_shared(message, store.run_id, set_aside.get(number)), list(_turns(message, credit)))


def _shared(episode: pb.Episode, run_id: str, set_aside: str | None) -> Row:
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "episode": episode.number,
        "group": episode.group,
        "attempt": episode.key.attempt,
        "seed": episode.key.seed,
        "benchmark": episode.benchmark,
        "task_type": episode.task_type,
        "task_id": episode.key.task_id,
        "goal": episode.goal,
        "turns": len(episode.turns),
        "won": episode.won,
        "score": episode.score,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "set_aside": set_aside,
    }


def _turns(episode: pb.Episode, credit: tuple[TurnAdvantages, ...]) -> Iterator[Row]:
    last = len(episode.turns) - 1
    for index, turn in enumerate(episode.turns):
        given = credit[index] if index < len(credit) else None
        final = _final(episode) if index == last else _NOT_FINAL
        yield {"turn": index, **_of_turn(turn), **_of_credit(given), **final}


def _of_turn(turn: pb.Turn) -> Row:
    return {
        "observation": turn.observation,
        "decision": "switch" if turn.decision == pb.DECISION_SWITCH else "keep",
        "subgoal": turn.subgoal,
        "plan_valid": turn.plan_valid,
        "action": turn.action,
        "action_valid": turn.action_valid,
        "reward": turn.reward,
        "seconds": turn.seconds,
        "environment_seconds": turn.environment_seconds,
        **_of_generation("planner", turn.plan),
        **_of_generation("executor", turn.act),
        "planner_decision_mask": _mask(turn.decision_span, turn.plan),
        "planner_subgoal_mask": _mask(turn.subgoal_span, turn.plan),
        "executor_action_mask": _mask(turn.action_span, turn.act),
    }


def _of_generation(role: str, generation: pb.Generation) -> Row:
    values = (
        generation.prompt_ids[:],
        generation.token_ids[:],
        generation.logprobs[:],
        generation.temperature,
        generation.length_limited,
        generation.adapter_version,
        generation.adapter_epoch,
        generation.adapter_sha256.hex() or None,
        generation.engine_seconds,
    )
    return dict(zip(_NAMES[role], values, strict=True))


def _mask(span: pb.TokenSpan, generation: pb.Generation) -> list[int]:
    count = len(generation.token_ids)
    return [0] * span.begin + [1] * (span.end - span.begin) + [0] * (count - span.end)


def _of_credit(given: TurnAdvantages | None) -> Row:
    row: Row = {}
    for level in _LEVELS:
        row[f"advantage_{level}"], row[f"value_{level}"] = given.of(level) if given else (None, None)
    return row


_NOT_FINAL: Row = {
    "last": False,
    "final_observation": None,
    "final_planner_prompt_ids": None,
    "final_executor_prompt_ids": None,
}


def _final(episode: pb.Episode) -> Row:
    return {
        "last": True,
        "final_observation": episode.final_observation,
        "final_planner_prompt_ids": episode.final_planner_prompt_ids[:] or None,
        "final_executor_prompt_ids": episode.final_executor_prompt_ids[:] or None,
    }
