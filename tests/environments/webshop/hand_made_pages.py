"""A shop's pages written by hand, each with its admissible actions."""

from __future__ import annotations

from hypothesis import strategies as st

from environments.webshop.pages import SEARCH_ACTION, SEPARATOR

Turn = tuple[str, tuple[str, ...]]


def clicks(*targets: str) -> tuple[str, ...]:
    return tuple(f"click[{target}]" for target in targets)


def page(*segments: str) -> str:
    return SEPARATOR.join(("Instruction:", "Find me lamps", *segments))


START: Turn = "WebShop [SEP] Instruction: [SEP] Find me lamps [SEP] Search", (SEARCH_ACTION, "click[search]")
RESULTS: Turn = (
    page("Back to Search", "Page 1 (Total results: 2)", "Next >")
    + " [SEP] B01 [SEP] Acme Lamp [SEP] $10.5 to $20.0 [SEP] B02 [SEP] Oak Lamp [SEP] $100.0",
    clicks("back to search", "next >", "b01", "b02"),
)
ITEM: Turn = (
    page(
        "Back to Search", "< Prev", "color", "red", "blue", "size", "s", "Acme Lamp", "Price: $10.5 to $20.0"
    )
    + " [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now",
    clicks("back to search", "< prev", "description", "features", "reviews", "buy now", "red", "blue", "s"),
)
CHOSEN: Turn = ITEM[0].replace("< Prev", "< Prev [SEP] Chosen: color: red, size: s"), ITEM[1]
FEATURES: Turn = (
    page("Back to Search", "< Prev", "Chosen: color: red", "Bright.", "Solid oak."),
    clicks("back to search", "< prev"),
)

SEGMENTS = st.sampled_from(
    (
        "< Prev",
        "Back to Search",
        "Next >",
        "Page 3 (Total results: 50)",
        "B01",
        "Price: $x",
        "$3",
        "$",
        "Chosen: ",
        "",
    )
)
TARGETS = st.sampled_from(("b01", "buy now", "next >", "< prev", "features", "red", ""))
TRANSCRIPTS = st.lists(
    st.tuples(
        st.lists(SEGMENTS | st.text()).map(SEPARATOR.join),
        st.lists(st.builds("click[{}]".format, TARGETS) | st.just(SEARCH_ACTION) | st.text()),
    )
)
