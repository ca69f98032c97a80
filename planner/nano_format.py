"""The planner's prompt for models trained from scratch: a transcript that only grows, then the question.

With a `history` as long as an episode it shows everything that was seen and done.
"""

from __future__ import annotations

from serving.text.chat import Chat
from serving.text.transcript import transcript
from trajectory.episode import TurnContext

INSTRUCTIONS = "Text game."
"""Instructions of both roles, which thus share transcripts: a subgoal with its age asks for a plan."""


def message(chat: Chat, context: TurnContext) -> str:
    lines = transcript(chat, context)
    if context.turn > 0:
        lines.append(f"Subgoal {context.subgoal_age}: {chat.one_line(context.subgoal)}")
    return "\n".join(lines)
