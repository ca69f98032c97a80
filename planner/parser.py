"""What the planner said: `keep`, or `switch: <subgoal>`. Any sequence of tokens has a reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from planner.prompt import FIRST_TURN_PREFIX
from serving.text.chat import Chat, first_line
from trajectory.episode import EMPTY_SPAN, Decision, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SUBGOAL_LIMIT = 200
"""Longest subgoal in characters."""

_KEEP = re.compile(r"\s*keep\W*", re.IGNORECASE)
_SWITCH = re.compile(r"\s*switch\s*:(?P<subgoal>.*)", re.IGNORECASE)
_DECISION_WORD = re.compile(r"\s*switch", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedPlan:
    """A planner's answer, read."""

    decision: Decision
    subgoal: str
    """In force from now on."""
    valid: bool
    """False where the answer has neither form; decision and subgoal then hold the fallback."""
    decision_span: Span
    """A SWITCH up to its decision word, a KEEP whole; empty at turn 0, where nothing is decided."""
    subgoal_span: Span
    """The rest, its ending token included; empty on KEEP."""


class PlannerParser:
    """Reads answers, and writes the answers that it reads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._chat = Chat(tokenizer)

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._chat.line_end_ids

    @cached_property
    def keep_ids(self) -> tuple[int, ...]:
        """The answer that is complete without an ending token, so that a KEEP costs one decoded token."""
        return self._chat.encode(Decision.KEEP.value)

    def answer_ids(self, decision: Decision, subgoal: str, turn: int) -> tuple[int, ...]:
        """The tokens to be sampled after `PlannerPrompt.render` for `parse` to read this plan.

        `subgoal` counts on SWITCH only. At turn 0 the decision is in the prompt already.
        """
        if decision is Decision.KEEP and turn > 0:
            return self.keep_ids
        prefix = self._chat.encode(FIRST_TURN_PREFIX) if turn > 0 else ()
        return (*prefix, *self._chat.encode(" " + self._subgoal(subgoal)), self._chat.end_id)

    def parse(self, token_ids: Sequence[int], turn: int, goal: str, subgoal: str) -> ParsedPlan:
        """Reads what was sampled at `turn`, where `subgoal` was in force.

        What cannot be read keeps the subgoal; at turn 0, where there is none, the goal takes its place.
        """
        line = first_line(self._chat.decode(token_ids))
        if turn == 0:
            return self._parse_first(line, len(token_ids), goal)
        if (found := _SWITCH.match(line)) and (named := self._subgoal(found["subgoal"])):
            return self._switch(token_ids, named)
        valid = _KEEP.fullmatch(line) is not None
        return ParsedPlan(Decision.KEEP, subgoal, valid, Span(0, len(token_ids)), EMPTY_SPAN)

    def _parse_first(self, line: str, length: int, goal: str) -> ParsedPlan:
        named = self._subgoal(line)
        return ParsedPlan(
            Decision.SWITCH, named or self._subgoal(goal), bool(named), EMPTY_SPAN, Span(0, length)
        )

    def _switch(self, token_ids: Sequence[int], subgoal: str) -> ParsedPlan:
        decided = next(
            n for n in range(1, len(token_ids) + 1) if _DECISION_WORD.match(self._chat.decode(token_ids[:n]))
        )
        whole = len(token_ids)
        return ParsedPlan(Decision.SWITCH, subgoal, True, Span(0, decided), Span(decided, whole))

    def _subgoal(self, text: str) -> str:
        return self._chat.one_line(text)[:SUBGOAL_LIMIT].strip()
