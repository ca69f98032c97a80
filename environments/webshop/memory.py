"""Knowledge of a shop, gathered from the pages of an episode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, log1p

from environments.webshop.pages import SEARCH_ACTION, SEPARATOR
from environments.webshop.session import PAGE_SIZE, SUB_PAGES, Page

BUTTONS = frozenset({"search", "back to search", "< prev", "next >", "buy now", *SUB_PAGES})
UNLISTED = 12
"""Rank assumed for a product that a search does not show, a little beyond the first page."""
_BACK = "< Prev"
_CHOSEN = "Chosen: "
_PRICE = "Price: "
_DOLLARS = re.compile(r"\$([0-9]+(?:\.[0-9]+)?)")
_PAGE_NUMBER = re.compile(r"Page ([0-9]{1,9}) \(Total results: ")


@dataclass(frozen=True)
class Hit:
    """A row of the search results."""

    link: str
    """Text to click, as the page shows it."""
    title: str
    prices: tuple[float, float]
    """Lowest and highest price in dollars; zero and infinity if the page shows none."""


@dataclass(frozen=True)
class Item:
    """A product whose page has been opened."""

    title: str
    prices: tuple[float, float]
    """Lowest and highest price in dollars; zero and infinity if the page shows none."""
    options: Mapping[str, tuple[str, ...]]
    """Values by option name."""
    texts: tuple[str, ...] = ()
    """Texts of the sub-pages that have been read."""

    @property
    def described(self) -> bool:
        """Whether its description is known: a sub-page had a text, or two of them had none."""
        return len(self.texts) > 1 or any(self.texts)


@dataclass
class Memory:
    """What a transcript reveals. Products are identified by their titles, as their pages show no number."""

    page: Page = Page.DONE
    """Kind of the current page; DONE also for a page that does not belong to the shop."""
    turns: int = -1
    """Number of actions taken so far; -1 before the first page."""
    searches: int = 0
    """Number of searches, counted when results follow the search bar."""
    hits: tuple[Hit, ...] = ()
    """Rows of the current or latest page of results."""
    places: dict[str, dict[int, int]] = field(default_factory=dict)
    """Rank (from 0) of each title in the results of each search (from 1) that has shown it."""
    items: dict[str, Item] = field(default_factory=dict)
    """Opened products by title."""
    title: str = ""
    """Title of the current or latest product."""
    chosen: str = ""
    """Chosen options as the current product page shows them, such as `color: red, size: s`."""
    stays: int = 0
    """Number of turns since the current product page was opened."""

    @classmethod
    def of(cls, transcript: Iterable[tuple[str, Sequence[str]]]) -> Memory:
        """Reads all observations of an episode, each with the actions that were admissible then."""
        memory = cls()
        for observation, admissible in transcript:
            memory.note(observation, admissible)
        return memory

    def note(self, observation: str, admissible: Sequence[str]) -> None:
        """Reads the next page; accepts any text."""
        self.turns += 1
        before, self.page = self.page, _kind(admissible)
        segments = observation.split(SEPARATOR)
        targets = {action.removeprefix("click[").removesuffix("]") for action in admissible}
        if self.page is Page.RESULTS:
            self.searches += before is Page.START
            self._note_results(segments, targets)
        elif self.page is Page.ITEM:
            title_before = self.title
            self._note_item(_after_back(segments), targets)
            stayed = before is Page.ITEM and self.title == title_before
            self.stays = self.stays + 1 if stayed else 0
        elif self.page is Page.SUB_PAGE and before is Page.ITEM:
            item, (_, body) = self.items[self.title], _chosen_and_body(_after_back(segments))
            self.items[self.title] = replace(item, texts=(*item.texts, " ".join(body).strip()))

    def log_rank(self, title: str) -> float:
        """Mean of log(1 + rank) over the searches so far."""
        if not self.searches:
            return log1p(UNLISTED)
        places = self.places.get(title, {})
        return sum(log1p(places.get(n + 1, UNLISTED)) for n in range(self.searches)) / self.searches

    def _note_results(self, segments: Sequence[str], targets: Set[str]) -> None:
        numbers = (_PAGE_NUMBER.match(text) for text in segments)
        first = (next((int(number[1]) for number in numbers if number), 1) - 1) * PAGE_SIZE
        starts = [at for at, text in enumerate(segments) if text.lower() in targets - BUTTONS]
        rows = (segments[at:end] for at, end in pairwise([*starts, len(segments)]))
        self.hits = tuple(
            Hit(link, " ".join(texts[:-1]), _prices(" ".join(texts[-1:]))) for link, *texts in rows
        )
        for place, hit in enumerate(self.hits, first):
            self.places.setdefault(hit.title, {}).setdefault(self.searches, place)

    def _note_item(self, segments: Sequence[str], targets: Set[str]) -> None:
        self.chosen, body = _chosen_and_body(segments)
        price = next((at for at, text in enumerate(body) if text.startswith(_PRICE)), 0)
        *listed, self.title = body[:price] or [""]
        if self.title not in self.items:
            prices = _prices(" ".join(body[price : price + 1]))
            self.items[self.title] = Item(self.title, prices, _options(listed, targets))


def _kind(admissible: Sequence[str]) -> Page:
    if SEARCH_ACTION in admissible:
        return Page.START
    if "click[buy now]" in admissible:
        return Page.ITEM
    if "click[next >]" in admissible:
        return Page.RESULTS
    return Page.SUB_PAGE if "click[< prev]" in admissible else Page.DONE


def _after_back(segments: Sequence[str]) -> Sequence[str]:
    return segments[segments.index(_BACK) + 1 :] if _BACK in segments else ()


def _chosen_and_body(segments: Sequence[str]) -> tuple[str, Sequence[str]]:
    if segments and segments[0].startswith(_CHOSEN):
        return segments[0].removeprefix(_CHOSEN), segments[1:]
    return "", segments


def _options(segments: Sequence[str], targets: Set[str]) -> dict[str, tuple[str, ...]]:
    """Options by name: a text that cannot be clicked is a name, and the texts after it are its values."""
    options: dict[str, tuple[str, ...]] = {}
    name = ""
    for text in segments:
        if text in targets:
            options[name] = (*options.get(name, ()), text)
        else:
            name = text
    return options


def _prices(text: str) -> tuple[float, float]:
    found = [float(price) for price in _DOLLARS.findall(text)]
    return (min(found), max(found)) if found else (0.0, inf)
