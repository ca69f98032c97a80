"""The executor's prompt as a transcript that only grows, then the subgoal.

Actions are not listed: they would be most of the prompt, and follow from the transcript once a model has seen
some. With a `history` as long as an episode a prompt goes on from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.chat import Chat
from serving.transcript import INSTRUCTIONS as INSTRUCTIONS
from serving.transcript import transcript
from trajectory.episode import TurnContext


def message(chat: Chat, context: TurnContext, actions: Sequence[str]) -> str:
    lines = transcript(chat, context)
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}", "Action?"])
