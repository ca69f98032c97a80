"""The executor's prompt for models taught from scratch: a transcript that only grows, then the subgoal.

A turn's prompt begins with the one before it up to the subgoal, so that engines and learner compute little
more than the newest observation. The admissible actions are left out: they would be two thirds of the
prompt, and follow from what the transcript shows where `history` is as long as an episode.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.chat import Chat
from trajectory.episode import TurnContext

INSTRUCTIONS = "Text game."
"""The same for both roles, which so share transcripts: a subgoal without its age asks for an action."""


def message(chat: Chat, context: TurnContext, actions: Sequence[str]) -> str:
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for past in context.history:
        lines += [chat.one_line(past.observation), f">{chat.one_line(past.action)}"]
    lines += [chat.one_line(context.observation), f"Subgoal: {chat.one_line(context.subgoal)}"]
    return "\n".join(lines)
