"""The executor's prompt for models taught from scratch: a transcript that only grows, then the subgoal.

Of the admissible actions only the places are named that the transcript shows no visit to: a small model
copies well and keeps accounts badly. The other actions would be most of the prompt, and follow from the
transcript where `history` is as long as an episode.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import transcript
from trajectory.episode import AdmissibleAction, TurnContext

INSTRUCTIONS = "Text game."
"""The same for both roles, which so share transcripts: a subgoal without its age asks for an action."""


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    done = {past.action for past in context.history}
    new = [action.place for action in actions if action.place and action.text not in done]
    return "\n".join(
        [
            *transcript(chat, context),
            f"New: {chat.one_line(', '.join(new)) or 'nothing'}.",
            f"Subgoal: {chat.one_line(context.subgoal)}",
        ]
    )
