"""The executor's prompt for models trained from scratch: a transcript that only grows, then the subgoal.

Of the admissible actions, it only names the places that were not visited in the transcript: a small model is
good at copying and bad at keeping track. The other actions would make up most of the prompt, and follow from
the transcript if `history` is as long as an episode.
"""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from serving.text.transcript import transcript
from trajectory.episode import AdmissibleAction, TurnContext

INSTRUCTIONS = "Text game."
"""Instructions of both roles, which thus share transcripts: a subgoal without its age asks for an action."""
WITHOUT_ACTIONS = INSTRUCTIONS


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    lines = transcript(chat, context)
    if actions:
        done = {past.action for past in context.history}
        new = [action.place for action in actions if action.place and action.text not in done]
        lines.append(f"New: {chat.one_line(', '.join(new)) or 'nothing'}.")
    return "\n".join([*lines, f"Subgoal: {chat.one_line(context.subgoal)}"])
