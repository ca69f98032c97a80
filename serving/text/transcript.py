"""The episode so far as lines of text, for prompts that show all of it.

Each turn's lines start with those of the turn before, so that engines and learner, which compute shared
prefixes only once, compute little more than the newest observation. The shortened form of an observation
comes with the request, as the servers know nothing of benchmarks.
"""

from __future__ import annotations

from serving.text.chat import Chat
from trajectory.episode import PastTurn, TurnContext

INSTRUCTIONS = (
    "You play a text game. `Plan?` asks for `keep`, to go on with the subgoal, or for `switch: ` and the "
    "next subgoal in a few words. `Action?` asks for one action that serves the subgoal."
)
"""Instructions of both roles. Their prompts thus share the whole transcript, which the critic computes
once."""

BETWEEN = " / "
"""Separator of a list on one line; it is a single token of the bundled model."""


def transcript(chat: Chat, context: TurnContext) -> list[str]:
    """The task, then each turn's observation and, after `>`, its action, then the current observation."""
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for place, past in enumerate(context.history):
        lines += [_told(chat, past, first=place == 0), f">{chat.one_line(past.action)}"]
    return [*lines, _told(chat, context, first=not context.history)]


def _told(chat: Chat, seen: PastTurn | TurnContext, *, first: bool) -> str:
    if seen.told is None:
        return chat.one_line(seen.observation)
    return chat.one_line(seen.told.alone if first else seen.told.after)
