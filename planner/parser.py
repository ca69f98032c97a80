"""Reads the planner's answers: `keep`, or `switch: <subgoal>`. Every sequence of tokens has a reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from planner.prompt import FIRST_TURN_PREFIX
from serving.text.answer_parser import AnswerParser
from serving.text.chat import first_line
from trajectory.episode import EMPTY_SPAN, Decision, Span

SUBGOAL_LIMIT = 200
"""Limit on the characters of a subgoal; the rest is cut off."""

_KEEP = re.compile(r"\s*keep\W*", re.IGNORECASE)
_SWITCH = re.compile(r"\s*switch\s*:(?P<subgoal>.*)", re.IGNORECASE)
_DECISION_WORD = re.compile(r"\s*switch", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedPlan:
    """A planner's parsed answer."""

    decision: Decision
    subgoal: str
    """Subgoal in force from this turn on."""
    valid: bool
    """Whether the answer has one of the two forms; if not, decision and subgoal are the fallback."""
    decision_span: Span
    """Tokens of a SWITCH up to its decision word, all tokens of a KEEP, with the thought before them; empty
    at turn 0, which has no decision."""
    subgoal_span: Span
    """Tokens after the decision, with the one that ends the answer; empty for a KEEP."""


class PlannerParser(AnswerParser):
    """Reads and writes plans. If there are thoughts, the first answer also begins with its decision."""

    @cached_property
    def keep_ids(self) -> tuple[int, ...]:
        """The tokens of KEEP, an answer that is complete without a token that ends it: it costs one token."""
        return self._chat.encode(Decision.KEEP.value)

    def answer_ids(self, decision: Decision, subgoal: str, turn: int) -> tuple[int, ...]:
        """The answer to a prompt of `PlannerPrompt.render` that `parse` reads as this plan.

        `subgoal` only matters for SWITCH. At turn 0 the decision is already part of the prompt, unless there
        is a thought before it, which is empty.
        """
        thought = self._empty_thought()
        if decision is Decision.KEEP and turn > 0:
            return (*thought, *self.keep_ids)
        prefix = self._chat.encode(FIRST_TURN_PREFIX) if turn > 0 or self._thinks else ()
        return (*thought, *prefix, *self._chat.encode(" " + self._subgoal(subgoal)), self._chat.end_id)

    def parse(self, token_ids: Sequence[int], turn: int, goal: str, subgoal: str) -> ParsedPlan:
        """Reads the answer sampled at `turn`, where `subgoal` was in force.

        An answer that cannot be read keeps the subgoal; at turn 0, where there is none, the goal becomes the
        subgoal. A thought belongs to the decision that it leads to, at turn 0 to the subgoal.
        """
        begin = self._begin_of_answer(token_ids)
        line = first_line(self._chat.decode(token_ids[begin:]))
        found = _SWITCH.match(line)
        if turn == 0:
            said = line if not self._thinks else found["subgoal"] if found else ""
            return self._parse_first(said, len(token_ids), goal)
        if found and (named := self._subgoal(found["subgoal"])):
            return self._switch(token_ids, begin, named)
        valid = _KEEP.fullmatch(line) is not None
        return ParsedPlan(Decision.KEEP, subgoal, valid, Span(0, len(token_ids)), EMPTY_SPAN)

    def _parse_first(self, line: str, length: int, goal: str) -> ParsedPlan:
        named = self._subgoal(line)
        return ParsedPlan(
            Decision.SWITCH, named or self._subgoal(goal), bool(named), EMPTY_SPAN, Span(0, length)
        )

    def _switch(self, token_ids: Sequence[int], begin: int, subgoal: str) -> ParsedPlan:
        # The spans are in tokens, and a token can hold parts of several words: the shortest run of tokens
        # whose text contains the decision word is the decision.
        whole = len(token_ids)
        decided = next(
            n
            for n in range(begin + 1, whole + 1)
            if _DECISION_WORD.match(self._chat.decode(token_ids[begin:n]))
        )
        return ParsedPlan(Decision.SWITCH, subgoal, True, Span(0, decided), Span(decided, whole))

    def _subgoal(self, text: str) -> str:
        return self._chat.one_line(text)[:SUBGOAL_LIMIT].strip()
