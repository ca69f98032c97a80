"""The executor's prompt as a transcript that only grows, then the actions it does not tell, then the subgoal.

Most actions follow from the transcript, such as going to places that it names and clicking on what stands on
a page: they would be most of the prompt. With a `history` as long as an episode a prompt goes on from the one
before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import BETWEEN, transcript
from serving.text.transcript import INSTRUCTIONS as INSTRUCTIONS
from trajectory.episode import TurnContext

_FOLLOWS = re.compile(r"(?:go to|examine) |(?:look|inventory)$|(?:click|search)\[")
"""Actions of ALFWorld and WebShop that are not listed."""


def message(chat: Chat, context: TurnContext, actions: Sequence[str]) -> str:
    lines = transcript(chat, context)
    if listed := [chat.one_line(action) for action in actions if not _FOLLOWS.match(action)]:
        lines.append(f"Here: {BETWEEN.join(listed)}")
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}", "Action?"])
