"""What is left out of WebShop's pages and lists of actions."""

from __future__ import annotations

from itertools import pairwise

from environments.webshop.telling import WebShopTelling

TELLING = WebShopTelling()


def test_pages_are_told_without_the_instruction() -> None:
    page = "Instruction: [SEP] find a mug [SEP] Back to Search [SEP] Page 1 (Total results: 50)"
    start = "WebShop [SEP] Instruction: [SEP] find a mug [SEP] Search"
    assert TELLING.told("", page, "find a mug") == "Back to Search / Page 1 (Total results: 50)"
    assert TELLING.told("", start, "find a mug") == "Search"
    assert TELLING.told("", page, "find a cup") == page
    assert TELLING.told("", f"He said: {page}", "find a mug") == f"He said: {page}"


def test_a_page_that_only_adds_to_the_one_before_is_told_by_what_it_adds() -> None:
    head, item = "Instruction: [SEP] find a mug [SEP] ", "Back to Search [SEP] < Prev"
    product = " [SEP] color [SEP] red [SEP] blue [SEP] Buy Now"
    seen = [
        head + item + product,
        f"{head}{item} [SEP] Chosen: color: red{product}",
        f"{head}{item} [SEP] Chosen: color: blue{product}",
        f"{head}{item} [SEP] Chosen: color: blue{product}",
        f"{head}{item} [SEP] Chosen: color: blue [SEP] A fine mug.",
    ]
    told = [TELLING.told(before, now, "find a mug") for before, now in pairwise(["", *seen])]
    assert told == [
        "Back to Search / < Prev / color / red / blue / Buy Now",
        "Same page / Chosen: color: red",
        "Same page / Chosen: color: blue",
        "Same page",
        "Back to Search / < Prev / Chosen: color: blue / A fine mug.",
    ]
    assert TELLING.told("Thank you!", "Thank you!", "find a mug") == "Thank you!"


def test_no_action_is_listed() -> None:
    actions = ("search[<your query>]", "click[buy now]", "click[look]")
    assert all(TELLING.follows(action) and not TELLING.hidden(action) for action in actions)
