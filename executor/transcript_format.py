"""The executor's prompt: a transcript that only grows, the actions that do not follow from it, the subgoal.

Most actions follow from the transcript, such as going to a place that it names or clicking on something that
is on the page: they would make up most of the prompt. With a `history` as long as an episode, each prompt
continues the one before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import BETWEEN, transcript
from serving.text.transcript import INSTRUCTIONS as INSTRUCTIONS
from trajectory.episode import TurnContext

_FOLLOWS = re.compile(r"(?:go to|examine) |(?:look|inventory)$|(?:click|search)\[")
"""Actions of ALFWorld and WebShop that are not listed in the prompt."""


def message(chat: Chat, context: TurnContext, actions: Sequence[str]) -> str:
    lines = transcript(chat, context)
    if listed := [chat.one_line(action) for action in actions if not _FOLLOWS.match(action)]:
        lines.append(f"Here: {BETWEEN.join(listed)}")
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}", "Action?"])
