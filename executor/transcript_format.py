"""The executor's prompt as a transcript that only grows, then the actions it does not tell, then the subgoal.

An environment's actions may mostly follow from the transcript, such as going to places that it names: listed,
they would be most of the prompt. With a `history` as long as an episode a prompt goes on from the one
before.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import BETWEEN, transcript
from serving.text.transcript import INSTRUCTIONS as INSTRUCTIONS
from trajectory.episode import AdmissibleAction, TurnContext


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    lines = transcript(chat, context)
    if listed := [chat.one_line(action.text) for action in actions if not action.follows]:
        lines.append(f"Here: {BETWEEN.join(listed)}")
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}", "Action?"])
