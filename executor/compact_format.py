"""The executor's prompt for small models, with little besides the observation and the actions."""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from trajectory.episode import AdmissibleAction, TurnContext

INSTRUCTIONS = "You play a text game. Answer with one of the actions, word for word, that serves the subgoal."
WITHOUT_ACTIONS = "You play a text game. Answer with one action that serves the subgoal."
"""Instructions for an environment that does not list its admissible actions."""
_PAST_OBSERVATION = 80
"""Limit on the characters of an earlier observation; the newest one is shown whole."""


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for past in context.history:
        lines.append(f"Before: {chat.one_line(past.observation, _PAST_OBSERVATION)}")
        lines.append(f"Did: {chat.one_line(past.action)}")
    lines.append(f"Now: {chat.one_line(context.observation)}")
    if actions:
        lines.append("Actions:")
        lines.extend(chat.one_line(action.text) for action in actions)
    lines.append(f"Subgoal: {chat.one_line(context.subgoal)}")
    return "\n".join(lines)
