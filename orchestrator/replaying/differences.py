"""Compares a stored episode with its replay, field by field, in the order in which the fields come about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.prefix import shared_length
from core.text import one_line
from orchestrator.replaying.forced import Forced
from orchestrator.replaying.stored_players import Acted, Planned
from orchestrator.replaying.tolerance import Tolerance
from serving.text.chat import cut_middle
from trajectory.episode import Act, Episode, Generation, Plan, Turn

_SHOWN = 120
"""Largest number of characters of a value that is shown."""


@dataclass(frozen=True)
class Difference:
    """A field that the replay has otherwise than the stored episode."""

    turn: int | None
    """Number of the turn; None for a field of the whole episode."""
    field: str
    stored: str
    """Stored value as text, shortened."""
    replayed: str
    """Value of the replay as text, shortened."""
    near_tie: bool = False
    """Whether it is a token whose random number lies so close to another token that the number format
    decides."""

    @property
    def kind(self) -> str:
        """The field's name without a position, for counting."""
        return f"near tie in {self._field}" if self.near_tie else self._field

    @property
    def _field(self) -> str:
        return self.field.partition("[")[0]

    def __str__(self) -> str:
        where = "" if self.turn is None else f"turn {self.turn}, "
        tie = "near tie at " if self.near_tie else ""
        return f"{tie}{where}{self.field}: stored {self.stored}, replayed {self.replayed}"


@dataclass(frozen=True)
class Within:
    """Differences that the number formats of both roles explain."""

    planner: Tolerance
    executor: Tolerance


def in_turn(
    number: int, stored: Turn, replayed: Turn | None, planned: Planned, acted: Acted | None, within: Within
) -> Iterator[Difference]:
    """The differences of one turn.

    Args:
        number: Number of the turn.
        stored: The stored turn.
        replayed: Turn with the observation and the reward of the replay; None if it was not completed.
        planned: Plan of the replay.
        acted: Act of the replay; None if it did not come to that.
        within: Accepted differences of log-probabilities.
    """
    for name, before, now in _fields(stored, replayed, planned, acted):
        if before != now:
            yield Difference(number, name, *_shown(before, now))
        if name == "planner.prompt_ids":
            yield from _sampling(number, "planner", stored.plan.generation, planned.forced, within.planner)
        if name == "executor.prompt_ids" and acted:
            yield from _sampling(number, "executor", stored.act.generation, acted.forced, within.executor)


def _fields(
    stored: Turn, replayed: Turn | None, planned: Planned, acted: Acted | None
) -> Iterator[tuple[str, object, object]]:
    """Names, stored and replayed values, except of what is sampled."""
    if replayed:
        yield "observation", stored.observation, replayed.observation
    yield from _of_plan(stored.plan, planned.plan)
    if acted:
        yield from _of_act(stored.act, acted.act)
    if replayed:
        yield "reward", stored.reward, as_stored(replayed.reward)


def _of_plan(stored: Plan, now: Plan) -> Iterator[tuple[str, object, object]]:
    yield from _of_generation("planner", stored.generation, now.generation)
    yield "decision", stored.decision.value, now.decision.value
    yield "subgoal", stored.subgoal, now.subgoal
    yield "plan_valid", stored.valid, now.valid
    yield "decision_span", stored.decision_span, now.decision_span
    yield "subgoal_span", stored.subgoal_span, now.subgoal_span


def _of_act(stored: Act, now: Act) -> Iterator[tuple[str, object, object]]:
    yield from _of_generation("executor", stored.generation, now.generation)
    yield "action", stored.action, now.action
    yield "action_valid", stored.valid, now.valid
    yield "action_span", stored.action_span, now.action_span


def _of_generation(role: str, stored: Generation, now: Generation) -> Iterator[tuple[str, object, object]]:
    yield f"{role}.prompt_ids", stored.prompt_ids, now.prompt_ids
    # They can differ without a hierarchy, where the plan is not sampled, and follows from the task; and where
    # a thought ends otherwise, so that an answer is asked for after it, or none.
    yield f"{role}.token_ids", stored.token_ids, now.token_ids
    yield f"{role}.temperature", stored.temperature, as_stored(now.temperature)
    yield f"{role}.length_limited", stored.length_limited, now.length_limited


def _sampling(
    turn: int, role: str, stored: Generation, forced: Forced | None, within: Tolerance
) -> Iterator[Difference]:
    """Differences of the answer's tokens and log-probabilities; each position is compared by itself."""
    if forced is None:
        return
    scored = forced.scored
    # The replay may have computed fewer tokens, if a thought ends otherwise.
    for place, sampled in enumerate(scored.sampled):
        token, logprob, again = stored.token_ids[place], stored.logprobs[place], scored.logprobs[place]
        where = f"[{place}]{' (thought)' if place < forced.thought else ''}"
        if sampled != token:
            margin = scored.margins[place]
            yield Difference(
                turn,
                f"{role}.token_ids{where}",
                str(token),
                f"{sampled} ({margin:.1e} nats apart)",
                near_tie=margin <= within.tie,
            )
        if not within.covers(logprob, again):
            yield Difference(turn, f"{role}.logprobs{where}", f"{logprob:.9g}", f"{again:.9g}")
    if forced.end:
        yield Difference(turn, f"{role}.token_ids", f"{len(stored.token_ids)} tokens", forced.end)


def in_episode(stored: Episode, replayed: Episode | None) -> Iterator[Difference]:
    """The differences of the fields of the whole episode.

    Args:
        stored: The stored episode.
        replayed: The replay; None if the environment has not ended where the stored episode has.
    """
    if replayed is None:
        yield Difference(None, "turns", str(len(stored.turns)), "not over after the last of them")
        return
    pairs: Sequence[tuple[str, object, object]] = (
        ("goal", stored.goal, replayed.goal),
        ("turns", len(stored.turns), len(replayed.turns)),
        ("terminated", stored.terminated, replayed.terminated),
        ("truncated", stored.truncated, replayed.truncated),
        ("won", stored.won, replayed.won),
        ("score", stored.score, as_stored(replayed.score)),
        ("final_observation", stored.final_observation, replayed.final_observation),
        (
            "final_planner_prompt_ids",
            stored.final_planner_prompt_ids,
            replayed.final_planner_prompt_ids,
        ),
        (
            "final_executor_prompt_ids",
            stored.final_executor_prompt_ids,
            replayed.final_executor_prompt_ids,
        ),
    )
    for name, before, now in pairs:
        if before != now:
            yield Difference(None, name, *_shown(before, now))


def as_stored(number: float) -> float:
    """The number rounded to float32, in which rewards, scores and temperatures are stored."""
    return float(np.float32(number))


def _shown(stored: object, replayed: object) -> tuple[str, str]:
    if isinstance(stored, str) and isinstance(replayed, str):
        return _text(stored, replayed), _text(replayed, stored)
    if isinstance(stored, tuple) and isinstance(replayed, tuple):
        place = shared_length(stored, replayed)
        return _tokens(stored, place), _tokens(replayed, place)
    return str(stored), str(replayed)


def _text(text: str, other: str) -> str:
    """The text on one line, or what comes shortly before and after its first difference from the other."""
    lines = one_line(text), one_line(other)
    begin = 0
    if max(map(len, lines)) > _SHOWN:
        begin = max(0, _first_difference(*lines) - _SHOWN // 3)
    shown = cut_middle(lines[0][begin : begin + _SHOWN], _SHOWN)
    return f"{'…' if begin else ''}{shown!r}"


def _first_difference(first: str, second: str) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))


def _tokens(ids: tuple[object, ...], place: int) -> str:
    if place >= len(ids):
        return f"an end after {len(ids)} tokens"
    return f"token {ids[place]} at {place} of {len(ids)}"
