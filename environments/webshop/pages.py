"""The visible text of the shop's pages, and what can be clicked on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from environments.webshop.catalogue import Catalogue
from environments.webshop.products import Product
from environments.webshop.session import Page, Session, results

SEPARATOR = " [SEP] "
SEARCH_ACTION = "search[<your query>]"
"""Admissible action that means a search with any text."""
CHOSEN = "Chosen: "
"""Beginning of the only text of a page that changes when an option is clicked."""
_BLANKS = " \t\n\f\r"
_CACHED_PRODUCTS = 1 << 13
_BACK = f"Back to Search{SEPARATOR}< Prev"


@dataclass(frozen=True, slots=True)
class _ProductView:
    """The rendered texts of a product."""

    row: str
    """Text in the search results."""
    item: str
    """Text on the product's own page, after `< Prev`."""
    clickables: tuple[str, ...]
    admissible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A page: what the shopper sees and can do."""

    text: str
    clickables: tuple[str, ...]
    """Lower-cased buttons, product links and option values, in the order of the reference."""
    admissible: tuple[str, ...]
    """Actions: the search, if the page has a search bar, then a click on each of `clickables`."""


_START = ("search",), (SEARCH_ACTION, "click[search]")
_SUB_PAGE = ("back to search", "< prev"), ("click[back to search]", "click[< prev]")
_ITEM_BUTTONS = ("back to search", "< prev", "description", "features", "reviews", "buy now")


def render(session: Session, instruction: str, catalogue: Catalogue, show_options: bool) -> View:
    """The shopper's page; `show_options` also shows the chosen options, which the reference does not."""
    head = f"Instruction:{SEPARATOR}{instruction.strip()}{SEPARATOR}"
    if session.page is Page.RESULTS:
        return _results(session, head, catalogue)
    product = session.product
    if session.page is Page.START or product is None:
        return View(f"WebShop{SEPARATOR}{head}Search", *_START)
    if session.page is Page.DONE:
        return View("Thank you for shopping with us!", (), ())
    chosen = _chosen(session) if show_options else ""
    if session.page is Page.SUB_PAGE:
        return View(f"{head}{_BACK}{chosen}{_sub_page(product, session.sub_page)}", *_SUB_PAGE)
    view = _product_view(product)
    return View(f"{head}{_BACK}{chosen}{view.item}", view.clickables, view.admissible)


def _results(session: Session, head: str, catalogue: Catalogue) -> View:
    products = results(session, catalogue)
    buttons = [
        "Back to Search",
        f"Page {session.number} (Total results: {len(catalogue.find(session.query))})",
    ]
    turn = ("< Prev", "Next >") if session.number > 1 else ("Next >",)
    rows = [_product_view(product).row for product in products]
    links = tuple(product.asin.lower() for product in products)
    clickables = ("back to search", *(button.lower() for button in turn), *links)
    return View(
        head + SEPARATOR.join((*buttons, *turn, *rows)),
        clickables,
        tuple(f"click[{target}]" for target in clickables),
    )


def _chosen(session: Session) -> str:
    if not session.options:
        return ""
    return SEPARATOR + CHOSEN + ", ".join(f"{name}: {value}" for name, value in session.options)


def _sub_page(product: Product, name: str) -> str:
    if name == "description":
        return _segments((product.description,))
    if name == "features":
        # The reference puts a blank before each bullet point, so that an empty one leaves an empty segment.
        return _segments(f" {feature}" for feature in product.features)
    return ""


@lru_cache(maxsize=_CACHED_PRODUCTS)
def _product_view(product: Product) -> _ProductView:
    options = (text for name, values in product.options.items() for text in (name, *values))
    facts = (product.title, f"Price: {product.price_tag}", "Rating: N.A.")
    buttons = ("Description", "Features", "Reviews", "Buy Now")
    values = (value for values in product.options.values() for value in values)
    clickables = tuple(dict.fromkeys((*_ITEM_BUTTONS, *values)))
    return _ProductView(
        row=_segments((product.asin, product.title, product.price_tag)).removeprefix(SEPARATOR),
        item=_segments((*options, *facts, *buttons)),
        clickables=clickables,
        admissible=tuple(f"click[{target}]" for target in clickables),
    )


def _segments(texts: Iterable[str]) -> str:
    """The texts as they come out of the reference's HTML parser, each after a separator.

    The parser drops empty texts and blank ones with a line break; other blank texts give an empty segment.
    """
    return "".join(SEPARATOR + text.strip() for text in texts if not _vanishes(text))


def _vanishes(text: str) -> bool:
    return not text or ("\n" in text and not text.strip(_BLANKS))
