"""The planner's prompt for models taught from scratch: a transcript that only grows, then the question.

A turn's prompt begins with the one before it up to the subgoal, so that engines and learner compute little
more than the newest observation. With a `history` as long as an episode it shows all that was seen and done.
"""

from __future__ import annotations

from serving.chat import Chat
from trajectory.episode import TurnContext

INSTRUCTIONS = "Text game."
"""The same for both roles, which so share transcripts: a subgoal with its age asks for a plan."""


def message(chat: Chat, context: TurnContext) -> str:
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for past in context.history:
        lines += [chat.one_line(past.observation), f">{chat.one_line(past.action)}"]
    lines.append(chat.one_line(context.observation))
    if context.turn > 0:
        lines.append(f"Subgoal {context.subgoal_age}: {chat.one_line(context.subgoal)}")
    return "\n".join(lines)
