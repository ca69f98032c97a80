"""An episode so far as lines of text, for prompts that show all of it.

The lines of a turn begin with those of the turn before, so that engines and learner compute little more than
the newest observation. How an observation is told comes with it: the servers know no benchmark.
"""

from __future__ import annotations

from serving.text.chat import Chat
from trajectory.episode import PastTurn, TurnContext

INSTRUCTIONS = (
    "You play a text game. `Plan?` asks for `keep`, to go on with the subgoal, or for `switch: ` and the "
    "next subgoal in a few words. `Action?` asks for one action that serves the subgoal."
)
"""The same for both roles, which so share transcripts: the critic reads each once."""

BETWEEN = " / "
"""Separator of a list in one line; one token for the bundled model."""


def transcript(chat: Chat, context: TurnContext) -> list[str]:
    """The task, then what was seen and, after `>`, done in each turn, then what is seen now."""
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for place, past in enumerate(context.history):
        lines += [_told(chat, past, first=place == 0), f">{chat.one_line(past.action)}"]
    return [*lines, _told(chat, context, first=not context.history)]


def _told(chat: Chat, seen: PastTurn | TurnContext, *, first: bool) -> str:
    if seen.told is None:
        return chat.one_line(seen.observation)
    return chat.one_line(seen.told.alone if first else seen.told.after)
