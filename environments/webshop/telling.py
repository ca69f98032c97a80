"""Shortens WebShop's pages in prompts: leaves out the instruction and what the page before showed."""

from __future__ import annotations

import re

from environments.telling import Telling
from environments.webshop.pages import CHOSEN, SEPARATOR

_BETWEEN = " / "
"""Separator of the texts in a shortened page: one token of the bundled model, where SEPARATOR takes four. No
option contains a slash."""
_SAME_PAGE = "Same page"
_FOLLOWS = re.compile(r"(?:click|search)\[")


class WebShopTelling(Telling):
    """Everything that can be clicked is on the page, so that no action needs to be listed."""

    def told(self, before: str, observation: str, goal: str) -> str:
        """A page that only adds to the one before is shortened to the additions.

        That is so in most turns: after every click on an option, and after every action that is refused.
        """
        page, page_before = _page(observation, goal), _page(before, goal)
        if page and page_before and all(part in page or part.startswith(CHOSEN) for part in page_before):
            return _BETWEEN.join([_SAME_PAGE, *(part for part in page if part not in page_before)])
        return _BETWEEN.join(page) if page else observation

    def follows(self, action: str) -> bool:
        return _FOLLOWS.match(action) is not None


def _page(observation: str, goal: str) -> list[str]:
    """The texts of a page after the instruction; empty if the observation is not a page."""
    before, found, page = observation.partition(SEPARATOR.join(("Instruction:", goal, "")))
    return page.split(SEPARATOR) if found and before in ("", f"WebShop{SEPARATOR}") else []
