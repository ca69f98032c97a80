"""What a shopper remembers of the pages."""

from math import inf, log

import pytest
from hypothesis import given

from environments.webshop.memory import UNLISTED, Hit, Item, Memory
from environments.webshop.session import Page
from tests.environments.webshop.hand_made_pages import CHOSEN, FEATURES, ITEM, RESULTS, START, TRANSCRIPTS


def test_results_are_read_row_by_row() -> None:
    memory = Memory.of([START, RESULTS])
    assert (memory.page, memory.turns, memory.searches) == (Page.RESULTS, 1, 1)
    assert memory.hits == (Hit("B01", "Acme Lamp", (10.5, 20.0)), Hit("B02", "Oak Lamp", (100.0, 100.0)))
    assert memory.places == {"Acme Lamp": {1: 0}, "Oak Lamp": {1: 1}}


def test_places_count_from_the_first_page_and_average_over_searches() -> None:
    second = RESULTS[0].replace("Page 1", "Page 2"), RESULTS[1]
    memory = Memory.of([START, second])
    assert memory.log_rank("Oak Lamp") == pytest.approx(log(12))
    memory.note(*START)
    memory.note(*RESULTS)
    assert memory.searches == 2
    assert memory.log_rank("Oak Lamp") == pytest.approx((log(12) + log(2)) / 2)
    assert memory.log_rank("Elm Lamp") == pytest.approx(log(1 + UNLISTED))


def test_a_product_s_page_is_read_and_its_sub_pages_with_it() -> None:
    memory = Memory.of([START, RESULTS, ITEM])
    item = Item("Acme Lamp", (10.5, 20.0), {"color": ("red", "blue"), "size": ("s",)})
    assert memory.items == {"Acme Lamp": item} and memory.title == "Acme Lamp"
    assert not item.described
    memory.note(*FEATURES)
    assert memory.page is Page.SUB_PAGE
    assert memory.items["Acme Lamp"].texts == ("Bright. Solid oak.",)
    assert memory.items["Acme Lamp"].described


def test_chosen_options_are_those_that_the_current_page_shows() -> None:
    memory = Memory.of([START, RESULTS, ITEM, CHOSEN])
    assert (memory.chosen, memory.stays) == ("color: red, size: s", 1)
    memory.note(*RESULTS)
    memory.note(*ITEM)
    assert (memory.chosen, memory.stays) == ("", 0)


@given(TRANSCRIPTS)
def test_any_transcript_can_be_read(transcript: list[tuple[str, list[str]]]) -> None:
    memory = Memory.of(transcript)
    assert memory.turns == len(transcript) - 1
    assert 0 <= memory.searches <= len(transcript) / 2
    prices = [*(hit.prices for hit in memory.hits), *(item.prices for item in memory.items.values())]
    assert all(0 <= lowest <= highest <= inf for lowest, highest in prices)
