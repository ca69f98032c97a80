"""Checks that an episode must pass before it is stored or learnt from."""

from __future__ import annotations

import math

from hiper.v1 import episode_pb2 as pb

# Above 0, because rounding in a bfloat16 softmax can leave a certain token slightly above probability 1.
_LOGPROB_CEILING = 0.05


class EpisodeError(ValueError):
    """An episode is incomplete or inconsistent; the message names the turn and the field."""


def check(episode: pb.Episode) -> None:
    """Checks an episode that was received as a message.

    Raises:
        EpisodeError: something is wrong; names the turn and the field of the first problem.
    """
    if not episode.key.run_id or not episode.key.task_id:
        raise EpisodeError("key: run_id and task_id must not be empty")
    if episode.terminated == episode.truncated:
        raise EpisodeError("exactly one of terminated and truncated must be true")
    if not math.isfinite(episode.score) or not 0 <= episode.score <= 1:
        raise EpisodeError(f"score: {episode.score} is not in [0, 1]")
    if not episode.turns:
        raise EpisodeError("turns: an episode needs at least one turn")
    for index, turn in enumerate(episode.turns):
        if turn.index != index:
            raise EpisodeError(f"turn {index} is missing: found turn {turn.index} in its place")
        _check_turn(turn)


def _check_turn(turn: pb.Turn) -> None:
    where = f"turn {turn.index}"
    if not math.isfinite(turn.reward):
        raise EpisodeError(f"{where}: reward: {turn.reward} is not finite")
    if turn.decision not in (pb.DECISION_KEEP, pb.DECISION_SWITCH):
        raise EpisodeError(f"{where}: decision: must be KEEP or SWITCH")
    if turn.index == 0 and turn.decision != pb.DECISION_SWITCH:
        raise EpisodeError(f"{where}: decision: turn 0 begins a segment, so it must be SWITCH")
    _check_generation(turn.plan, f"{where}: plan")
    _check_generation(turn.act, f"{where}: act")
    for name, span, generation in (
        ("decision_span", turn.decision_span, turn.plan),
        ("subgoal_span", turn.subgoal_span, turn.plan),
        ("action_span", turn.action_span, turn.act),
    ):
        if not span.begin <= span.end <= len(generation.token_ids):
            count = len(generation.token_ids)
            raise EpisodeError(f"{where}: {name}: [{span.begin}, {span.end}) is not within {count} tokens")


def _check_generation(generation: pb.Generation, where: str) -> None:
    if not generation.prompt_ids or not generation.token_ids:
        raise EpisodeError(f"{where}: prompt_ids and token_ids must not be empty")
    if len(generation.logprobs) != len(generation.token_ids):
        raise EpisodeError(
            f"{where}: {len(generation.logprobs)} logprobs for {len(generation.token_ids)} token_ids"
        )
    for position, logprob in enumerate(generation.logprobs):
        if not math.isfinite(logprob) or logprob > _LOGPROB_CEILING:
            raise EpisodeError(f"{where}: logprobs[{position}]: {logprob} is not a log-probability")
