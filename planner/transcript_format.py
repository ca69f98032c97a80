"""The planner's prompt as a transcript that only grows, then the current subgoal and its age in turns.

With a `history` as long as an episode, each prompt continues the one before, so that engine and learner,
which compute shared prefixes once, compute little more than what is new.
"""

from __future__ import annotations

from serving.text.chat import Chat
from serving.text.transcript import INSTRUCTIONS as INSTRUCTIONS
from serving.text.transcript import transcript
from trajectory.episode import TurnContext


def message(chat: Chat, context: TurnContext) -> str:
    lines = transcript(chat, context)
    if context.turn > 0:
        lines.append(f"Subgoal for {context.subgoal_age} turns: {chat.one_line(context.subgoal)}")
    return "\n".join([*lines, "Plan?"])
