"""Advice for a shopper, based only on the transcript of its episode.

Search for the kind of product and its options, open the most likely hit, and read its features if options and
price fit. If it is likely enough to be the wanted product, buy it. Otherwise search once more, with all words
of the instruction, and open the most likely hits of both searches until one is likely enough or the turns run
short; then buy the most likely one.
"""

from __future__ import annotations

from environments.benchmark import DemonstrationStep
from environments.webshop import likelihood
from environments.webshop.expert import BUY, FIND
from environments.webshop.memory import Hit, Item, Memory
from environments.webshop.session import Page
from environments.webshop.wish import read_wish, searchable

TURNS = 15
"""Largest number of turns of an episode, including search and purchase."""
SURE = 1.0
"""Log-odds from which a product is bought without looking at others. With 1.25 (2.0 before its features are
read), it wins 86.5 % instead of 86.3 % of the goals of valid, in 6.6 turns instead of 5.5."""
DECISIVE = -4.0
"""Log-odds from which the player `decisive` buys: whatever it opens, unless that can hardly be the wanted
product. It never reads features, because all that would be worth it is bought before. So it has little to
judge, which a small model learns more easily; it wins 80.2 % of the goals of valid in 4.9 turns."""
WORTH_READING = -2.0
"""Log-odds from which a product's features are read."""


def advise(
    instruction: str, memory: Memory, turns: int = TURNS, options_shown: bool = True, sure: float = SURE
) -> DemonstrationStep:
    """The next subgoal and action.

    Clicks name their target exactly as the page shows it, so that a model that imitates them can copy.

    Args:
        instruction: Task in words.
        memory: Knowledge from the episode up to the current page.
        turns: Largest number of turns of the whole episode.
        options_shown: Whether pages show the chosen options. If not, each turn spent on a product's page is
            assumed to have chosen one.
        sure: Log-odds from which a product is bought without looking at others.
    """
    return _Adviser(instruction, memory, turns - memory.turns, options_shown, sure).advice()


class _Adviser:
    def __init__(self, instruction: str, memory: Memory, left: int, options_shown: bool, sure: float) -> None:
        """`left` is the number of turns left, including the next one."""
        self._sure_from = sure
        self._wish = wish = read_wish(instruction)
        self._memory, self._left, self._options_shown = memory, left, options_shown
        self._rated = {
            title: likelihood.of_item(item, wish, memory.log_rank(title))
            for title, item in memory.items.items()
        }
        self._fresh = max(
            (hit for hit in memory.hits if hit.title not in memory.items), key=self._rate, default=None
        )
        """Most likely hit that has not been opened."""

    def advice(self) -> DemonstrationStep:
        best = max(self._memory.items.values(), key=lambda item: self._rated[item.title], default=None)
        if best is None:
            return DemonstrationStep(FIND, self._look_on(spare=self._left) or "click[Back to Search]")
        if not self._sure(best):
            options = max(len(self._wish.options), len(likelihood.choices(best, self._wish)))
            if action := self._look_on(spare=self._left - self._turns_to(best) - options - 1):
                return DemonstrationStep(FIND, action)
        return self._buy(best)

    def _rate(self, hit: Hit) -> float:
        return likelihood.of_hit(hit, self._wish, self._memory.log_rank(hit.title))

    def _sure(self, item: Item) -> bool:
        return self._rated[item.title] >= self._sure_from

    def _worth_reading(self, item: Item) -> bool:
        return not item.described and self._rated[item.title] >= WORTH_READING

    def _turns_to(self, item: Item) -> int:
        """Number of turns from another product's page to this one's."""
        return 2 if self._link(item) else 3

    def _link(self, item: Item) -> str | None:
        return next((hit.link for hit in self._memory.hits if hit.title == item.title), None)

    def _look_on(self, spare: int) -> str | None:
        """An action that leads to something new, or None if that takes more than `spare` turns.

        The spare turns are those that are not needed for buying the best product seen so far.
        """
        page, title, searches = self._memory.page, self._memory.title, self._memory.searches
        queries = self._wish.queries
        if page is Page.START:
            new = searches < len(queries) or not self._rated
            return f"search[{queries[searches % len(queries)]}]" if new and spare >= 2 else None
        if page is Page.ITEM and spare >= 2 and self._worth_reading(self._memory.items[title]):
            return "click[Features]"
        if searches < len(queries) and spare >= 4 and (page is not Page.RESULTS or self._fresh is None):
            return "click[Back to Search]"
        turns_back = {Page.RESULTS: 0, Page.ITEM: 1, Page.SUB_PAGE: 2}
        if self._fresh is None or page not in turns_back or spare <= turns_back[page]:
            return None
        return "click[< Prev]" if turns_back[page] else f"click[{self._fresh.link}]"

    def _buy(self, best: Item) -> DemonstrationStep:
        memory = self._memory
        if memory.page in (Page.ITEM, Page.SUB_PAGE):
            here = memory.items.get(memory.title, best)
            if here is not best and self._left <= self._turns_to(best) + len(self._choices(best)):
                best = here
        if memory.page is Page.ITEM and memory.title == best.title:
            left = self._choices(best)
            return DemonstrationStep(
                BUY, f"click[{left[0]}]" if left and self._left > 1 else "click[Buy Now]"
            )
        return DemonstrationStep(FIND, self._toward(best))

    def _choices(self, item: Item) -> tuple[str, ...]:
        """The values of the product's options that are still to be chosen."""
        wanted, memory = likelihood.choices(item, self._wish), self._memory
        if memory.page is not Page.ITEM or memory.title != item.title:
            return wanted
        if not self._options_shown:
            return wanted[memory.stays :]
        shown = f", {memory.chosen}, "
        return tuple(
            value for value in wanted if not any(f", {name}: {value}, " in shown for name in item.options)
        )

    def _toward(self, item: Item) -> str:
        """The action that leads one turn closer to a product's page, if need be by a search for its title."""
        page, link = self._memory.page, self._link(item)
        if page is Page.START:
            return f"search[{searchable(item.title)}]"
        if page is Page.RESULTS:
            # A search for it, the click and the purchase would take four turns.
            if not link and self._left < 4 and self._fresh:
                link = self._fresh.link
            return f"click[{link}]" if link else "click[Back to Search]"
        near = link or (page is Page.SUB_PAGE and self._memory.title == item.title)
        return "click[< Prev]" if near else "click[Back to Search]"
