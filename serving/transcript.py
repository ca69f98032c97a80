"""An episode so far as lines of text, for prompts that show all of it.

The lines of a turn begin with those of the turn before, so that engines and learner compute little more than
the newest observation.
"""

from __future__ import annotations

import re

from serving.chat import Chat
from trajectory.episode import TurnContext

INSTRUCTIONS = (
    "You play a text game. `Plan?` asks for `keep`, to go on with the subgoal, or for `switch: ` and the "
    "next subgoal in a few words. `Action?` asks for one action that serves the subgoal."
)
"""The same for both roles, which so share transcripts: the critic reads each once."""

_REPEATED = re.compile(
    r"^-= Welcome to TextWorld, ALFRED! =- "
    r"|You are in the middle of a room\. Looking quickly around you, "
    r"| Your task is to: .*$"
    r"|^You arrive at [a-z]+ \d+\. "
    r"|^You open the [a-z]+ \d+\. "
)
"""Parts of ALFWorld's observations that are always the same, or said elsewhere in the transcript."""


_PAGE_PARTS = " [SEP] "
"""Between the texts of a WebShop page: four tokens, where `BETWEEN` is one. No option holds a slash."""
BETWEEN = " / "


def transcript(chat: Chat, context: TurnContext) -> list[str]:
    """The task, then what was seen and, after `>`, done in each turn, then what is seen now."""
    goal = chat.one_line(context.goal)

    def seen(observation: str) -> str:
        return shortened(chat.one_line(observation), goal)

    lines = [f"Task: {goal}"]
    for past in context.history:
        lines += [seen(past.observation), f">{chat.one_line(past.action)}"]
    return [*lines, seen(context.observation)]


def shortened(observation: str, goal: str = "") -> str:
    """One line without what a player can do without; other benchmarks' observations are left as they are.

    Args:
        observation: One line of ALFWorld, or a page of WebShop.
        goal: The task, which every page of WebShop repeats; not needed for ALFWorld.
    """
    head = _PAGE_PARTS.join(("Instruction:", goal, ""))
    before, found, page = observation.partition(head)
    if found and before in ("", f"WebShop{_PAGE_PARTS}"):
        return page.replace(_PAGE_PARTS, BETWEEN)
    return _REPEATED.sub("", observation)
