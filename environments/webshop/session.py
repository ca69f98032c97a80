"""The shopper's session: how actions lead from one page to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from environments.webshop.catalogue import Catalogue
from environments.webshop.products import Product

MAX_QUERY_LENGTH = 8192
"""Number of characters above which a search is ignored like an action that is not understood."""
PAGE_SIZE = 10
SUB_PAGES = ("description", "features", "reviews")


class Page(Enum):
    """The kinds of pages of the shop."""

    START = "start"
    """Page with the search bar."""
    RESULTS = "results"
    """Ten of the products that a search found."""
    ITEM = "item"
    """A product with its options."""
    SUB_PAGE = "sub-page"
    """Description, features or reviews of a product."""
    DONE = "done"
    """Page after the purchase."""


@dataclass(frozen=True, slots=True)
class Session:
    """The shopper's state. It is immutable, and each action makes a new one, so that copies cost nothing."""

    page: Page = Page.START
    query: str = ""
    number: int = 1
    """Number of the page of search results, from 1."""
    product: Product | None = None
    options: tuple[tuple[str, str], ...] = ()
    """Name and value of the chosen options, in the order in which they were chosen."""
    sub_page: str = ""
    """Name of the sub-page, one of SUB_PAGES; empty elsewhere."""


def parse_action(action: str) -> tuple[str, str]:
    """Name and lower-cased argument of `name[argument]`; two empty strings for anything else.

    The reference matches `(.+)\\[(.+)\\]` at the start, which takes quadratic time for a megabyte of
    brackets. This finds the same groups in linear time: in the first line, everything between the last `[`
    and the last `]` that leave at least one character for each group.
    """
    line, _, _ = action.partition("\n")
    end = line.rfind("]")
    # From index 1 and before `end - 1`, because neither the name nor the argument may be empty.
    start = line.rfind("[", 1, max(end - 1, 0))
    return ("", "") if start < 0 else (line[:start], line[start + 1 : end].lower())


def after_search(query: str) -> Session | None:
    """The session on the results of a search; None if the query is too long."""
    return Session(Page.RESULTS, query) if len(query) <= MAX_QUERY_LENGTH else None


def after_click(session: Session, target: str, catalogue: Catalogue) -> Session | None:
    """The session after a click on `target`, which must be clickable; None if the click does nothing.

    As in the reference, the text alone decides: clicking an option with the value `buy now` buys.
    """
    # The button of the start page: a search needs the action `search[…]` with a query.
    if target == "search":
        return None
    if target == "buy now":
        return Session(Page.DONE, session.query, session.number, session.product, session.options)
    if target == "back to search":
        return Session()
    if session.page is Page.RESULTS:
        return _from_results(session, target, catalogue)
    if target == "< prev":
        return _back(session)
    if target in SUB_PAGES:
        return _item(session, session.options, target)
    return _choose(session, target)


def results(session: Session, catalogue: Catalogue) -> tuple[Product, ...]:
    """The products on the session's page of search results; none beyond the last page."""
    first = (session.number - 1) * PAGE_SIZE
    return catalogue.find(session.query)[first : first + PAGE_SIZE]


def _from_results(session: Session, target: str, catalogue: Catalogue) -> Session:
    if target == "next >":
        return Session(Page.RESULTS, session.query, session.number + 1)
    if target == "< prev":
        return Session(Page.RESULTS, session.query, session.number - 1)
    product = next(each for each in results(session, catalogue) if each.asin.lower() == target)
    return Session(Page.ITEM, session.query, session.number, product)


def _back(session: Session) -> Session:
    """Goes from a sub-page to the product and keeps its options, or from the product to the results."""
    if session.page is Page.SUB_PAGE:
        return _item(session, session.options)
    return Session(Page.RESULTS, session.query, session.number)


def _choose(session: Session, value: str) -> Session:
    """Sets the option that has this value; if several have it, the last one, as in the reference."""
    options = session.product.options if session.product else {}
    name = [name for name, values in options.items() if value in values][-1]
    return _item(session, tuple({**dict(session.options), name: value}.items()))


def _item(session: Session, options: tuple[tuple[str, str], ...], sub_page: str = "") -> Session:
    page = Page.SUB_PAGE if sub_page else Page.ITEM
    return Session(page, session.query, session.number, session.product, options, sub_page)
