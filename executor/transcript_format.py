"""The executor's prompt: a transcript that only grows, the actions that do not follow from it, the subgoal.

Many of an environment's actions follow from the transcript, such as going to places that it names, and would
make up most of the prompt if they were listed. With a `history` as long as an episode, each prompt continues
the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import BETWEEN, transcript
from serving.text.transcript import INSTRUCTIONS as INSTRUCTIONS
from trajectory.episode import AdmissibleAction, TurnContext

WITHOUT_ACTIONS = INSTRUCTIONS


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    lines = transcript(chat, context)
    if listed := [chat.one_line(action.text) for action in actions if not action.follows]:
        lines.append(f"Here: {BETWEEN.join(listed)}")
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}", "Action?"])
