"""An episode so far as lines of text, for prompts that show all of it.

The lines of a turn begin with those of the turn before, so that engines and learner compute little more than
the newest observation.
"""

from __future__ import annotations

import re
from itertools import pairwise

from serving.text.chat import Chat
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
_SAME_PAGE = "Same page"
_CHOSEN = "Chosen: "
"""Begins the only text of a WebShop page that a click on an option changes."""


def transcript(chat: Chat, context: TurnContext) -> list[str]:
    """The task, then what was seen and, after `>`, done in each turn, then what is seen now."""
    goal = chat.one_line(context.goal)
    observations = [*(past.observation for past in context.history), context.observation]
    seen = [chat.one_line(observation) for observation in observations]
    told = [told_after(before, now, goal) for before, now in pairwise(["", *seen])]
    lines = [f"Task: {goal}"]
    for past, observation in zip(context.history, told, strict=False):
        lines += [observation, f">{chat.one_line(past.action)}"]
    return [*lines, told[-1]]


def told_after(before: str, observation: str, goal: str) -> str:
    """`observation` shortened; a WebShop page that only adds to the one before is told by what it adds.

    Most turns of WebShop leave the page as it is: each click on an option, and each that is refused.

    Args:
        before: What was seen a turn earlier, in one line; empty at the first.
        observation: What is seen, in one line.
        goal: The task.
    """
    page, page_before = _page(observation, goal), _page(before, goal)
    if page and page_before and all(part in page or part.startswith(_CHOSEN) for part in page_before):
        return BETWEEN.join([_SAME_PAGE, *(part for part in page if part not in page_before)])
    return shortened(observation, goal)


def shortened(observation: str, goal: str = "") -> str:
    """One line without what a player can do without; other benchmarks' observations are left as they are.

    Args:
        observation: One line of ALFWorld, or a page of WebShop.
        goal: The task, which every page of WebShop repeats; not needed for ALFWorld.
    """
    if page := _page(observation, goal):
        return BETWEEN.join(page)
    return _REPEATED.sub("", observation)


def _page(observation: str, goal: str) -> list[str]:
    """The texts of a WebShop page without the instruction; none where it is not a page."""
    before, found, page = observation.partition(_PAGE_PARTS.join(("Instruction:", goal, "")))
    return page.split(_PAGE_PARTS) if found and before in ("", f"WebShop{_PAGE_PARTS}") else []
