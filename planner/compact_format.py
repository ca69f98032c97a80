"""The planner's prompt for small models, with about a hundred tokens besides the observations."""

from __future__ import annotations

from serving.text.chat import Chat
from trajectory.episode import TurnContext

INSTRUCTIONS = (
    "You guide an agent through a text game. Answer `keep` to go on with the subgoal, "
    "or `switch: ` and the next subgoal in a few words."
)
_PAST_OBSERVATION = 160
"""Limit on the characters of an earlier observation; the newest one is shown whole."""


def message(chat: Chat, context: TurnContext) -> str:
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for past in context.history:
        lines.append(f"Before: {chat.one_line(past.observation, _PAST_OBSERVATION)}")
        lines.append(f"Did: {chat.one_line(past.action)}")
    lines.append(f"Now: {chat.one_line(context.observation)}")
    if context.turn > 0:
        lines.append(f"Subgoal: {chat.one_line(context.subgoal)} (for {context.subgoal_age} turns)")
    return "\n".join(lines)
