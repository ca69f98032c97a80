"""Checks that an episode must pass before it is stored or learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError

# Above 0, because rounding in a bfloat16 softmax can leave a certain token slightly above probability 1.
_LOGPROB_CEILING = 0.05
_LOGPROB_FLOOR = -1e5
# The learner divides logits by the temperature: 1e-38 would make them infinite. The wire has float32, in
# which 0.01 is slightly less.
_TEMPERATURES = (0.01 * (1 - 1e-6), 100.0)
"""Accepted temperatures in addition to 0, which takes the most likely token."""
_REWARDS = (-1e6, 1e6)
_SECONDS = (0.0, 1e9)


class EpisodeError(InvalidInputError, ValueError):
    """An episode is incomplete or inconsistent; the message names the turn and the field."""


def check(episode: pb.Episode, vocabulary: int) -> None:
    """Checks everything in a received episode that an update computes with.

    Args:
        episode: The message.
        vocabulary: Number of token ids of the base model.

    Raises:
        EpisodeError: something is wrong; names the turn and the field of the first problem.
    """
    if not episode.key.run_id or not episode.key.task_id:
        raise EpisodeError("key: run_id and task_id must not be empty")
    if episode.terminated == episode.truncated:
        raise EpisodeError("exactly one of terminated and truncated must be true")
    if not math.isfinite(episode.score) or not 0 <= episode.score <= 1:
        raise EpisodeError(f"score: {episode.score} is not in [0, 1]")
    _check_number(episode.seconds, "seconds", _SECONDS)
    _check_tokens(episode.final_planner_prompt_ids, "final_planner_prompt_ids", vocabulary)
    _check_tokens(episode.final_executor_prompt_ids, "final_executor_prompt_ids", vocabulary)
    if not episode.turns:
        raise EpisodeError("turns: an episode needs at least one turn")
    for index, turn in enumerate(episode.turns):
        if turn.index != index:
            raise EpisodeError(f"turn {index} is missing: found turn {turn.index} in its place")
        _check_turn(turn, vocabulary)


def _check_turn(turn: pb.Turn, vocabulary: int) -> None:
    where = f"turn {turn.index}"
    _check_number(turn.reward, f"{where}: reward", _REWARDS)
    _check_number(turn.seconds, f"{where}: seconds", _SECONDS)
    _check_number(turn.environment_seconds, f"{where}: environment_seconds", _SECONDS)
    if turn.decision not in (pb.DECISION_KEEP, pb.DECISION_SWITCH):
        raise EpisodeError(f"{where}: decision: must be KEEP or SWITCH")
    if turn.index == 0 and turn.decision != pb.DECISION_SWITCH:
        raise EpisodeError(f"{where}: decision: turn 0 begins a segment, so it must be SWITCH")
    _check_generation(turn.plan, f"{where}: plan", vocabulary)
    _check_generation(turn.act, f"{where}: act", vocabulary)
    for name, span, generation in (
        ("decision_span", turn.decision_span, turn.plan),
        ("subgoal_span", turn.subgoal_span, turn.plan),
        ("action_span", turn.action_span, turn.act),
    ):
        if not span.begin <= span.end <= len(generation.token_ids):
            count = len(generation.token_ids)
            raise EpisodeError(f"{where}: {name}: [{span.begin}, {span.end}) is not within {count} tokens")


def _check_generation(generation: pb.Generation, where: str, vocabulary: int) -> None:
    if not generation.prompt_ids or not generation.token_ids:
        raise EpisodeError(f"{where}: prompt_ids and token_ids must not be empty")
    _check_tokens(generation.prompt_ids, f"{where}: prompt_ids", vocabulary)
    _check_tokens(generation.token_ids, f"{where}: token_ids", vocabulary)
    if len(generation.logprobs) != len(generation.token_ids):
        raise EpisodeError(
            f"{where}: {len(generation.logprobs)} logprobs for {len(generation.token_ids)} token_ids"
        )
    for position, logprob in enumerate(generation.logprobs):
        if not _LOGPROB_FLOOR <= logprob <= _LOGPROB_CEILING:
            raise EpisodeError(f"{where}: logprobs[{position}]: {logprob} is not a log-probability")
    if generation.temperature != 0:
        _check_number(generation.temperature, f"{where}: temperature", _TEMPERATURES)
    _check_number(generation.engine_seconds, f"{where}: engine_seconds", _SECONDS)


def _check_tokens(ids: Sequence[int], where: str, vocabulary: int) -> None:
    # max is fast and nearly always enough; only after a violation does the place matter.
    if ids and max(ids) >= vocabulary:
        place = next(place for place, token in enumerate(ids) if token >= vocabulary)
        raise EpisodeError(
            f"{where}[{place}]: the base model has no token {ids[place]}; 0 to {vocabulary - 1} are accepted"
        )


def _check_number(value: float, where: str, accepted: tuple[float, float]) -> None:
    if not math.isfinite(value):
        raise EpisodeError(f"{where}: {value} is not finite")
    low, high = accepted
    if not low <= value <= high:
        raise EpisodeError(f"{where}: {value:g} is not accepted; {low:.4g} to {high:.4g} is")
