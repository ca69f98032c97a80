"""How WebShop is told: pages without the instruction, and a page that only grew by what is new on it."""

from __future__ import annotations

import re

from environments.telling import Telling
from environments.webshop.pages import CHOSEN, SEPARATOR

_BETWEEN = " / "
"""Separator of the told texts of a page: one token of the bundled model, where SEPARATOR is four. No option
holds a slash."""
_SAME_PAGE = "Same page"
_FOLLOWS = re.compile(r"(?:click|search)\[")


class WebShopTelling(Telling):
    """What can be clicked stands on the page."""

    def told(self, before: str, observation: str, goal: str) -> str:
        """Most turns leave the page as it is: each click on an option, and each that is refused."""
        page, page_before = _page(observation, goal), _page(before, goal)
        if page and page_before and all(part in page or part.startswith(CHOSEN) for part in page_before):
            return _BETWEEN.join([_SAME_PAGE, *(part for part in page if part not in page_before)])
        return _BETWEEN.join(page) if page else observation

    def follows(self, action: str) -> bool:
        return _FOLLOWS.match(action) is not None


def _page(observation: str, goal: str) -> list[str]:
    """The texts of a page after the instruction; none where the observation is not a page."""
    before, found, page = observation.partition(SEPARATOR.join(("Instruction:", goal, "")))
    return page.split(SEPARATOR) if found and before in ("", f"WebShop{SEPARATOR}") else []
