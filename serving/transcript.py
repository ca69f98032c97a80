"""An episode so far as lines of text, for prompts that show all of it.

The lines of a turn begin with those of the turn before, so that engines and learner compute little more than
the newest observation.
"""

from __future__ import annotations

import re

from serving.chat import Chat
from trajectory.episode import TurnContext

_REPEATED = re.compile(
    r"^-= Welcome to TextWorld, ALFRED! =- "
    r"|You are in the middle of a room\. Looking quickly around you, "
    r"| Your task is to: .*$"
    r"|^You arrive at [a-z]+ \d+\. "
    r"|^You open the [a-z]+ \d+\. "
)
"""Parts of ALFWorld's observations that are always the same, or said elsewhere in the transcript."""


def transcript(chat: Chat, context: TurnContext) -> list[str]:
    """The task, then what was seen and, after `>`, done in each turn, then what is seen now."""
    lines = [f"Task: {chat.one_line(context.goal)}"]
    for past in context.history:
        lines += [shortened(chat.one_line(past.observation)), f">{chat.one_line(past.action)}"]
    return [*lines, shortened(chat.one_line(context.observation))]


def shortened(observation: str) -> str:
    """One line without what a player can do without; other benchmarks' observations are left as they are."""
    return _REPEATED.sub("", observation)
