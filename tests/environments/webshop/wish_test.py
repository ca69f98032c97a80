"""Reading instructions."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.webshop.goals import NO_PRICE_LIMIT
from environments.webshop.session import MAX_QUERY_LENGTH
from environments.webshop.wish import read_wish, searchable
from tests.environments.webshop.shops import real_shop


def test_it_reads_kind_attributes_options_and_price() -> None:
    wish = read_wish(
        "Find me Long Lasting, easy clean men's shirts with short sleeve for daily wear "
        "with color: red, white, and size: 5' 2\" with cuffs, and price lower than 30.50 dollars"
    )
    assert wish.kind == "easy clean men's shirts"
    assert wish.attributes == ("long lasting", "short sleeve", "daily wear")
    assert wish.options == (("color", "red, white"), ("size", "5' 2\" with cuffs"))
    assert wish.price_limit == 30.5
    assert wish.words >= {"shirt", "sleev", "last", "wear"} and not wish.words & {"find", "men", "red"}
    options = "color: red, white, size: 5' 2\" with cuffs"
    assert wish.queries[0] == f"easy clean men's shirts {options} {options}"


def test_what_an_instruction_lacks_is_empty() -> None:
    wish = read_wish("Find me floor lamps")
    assert (wish.kind, wish.attributes, wish.options, wish.price_limit) == ("floor lamps", (), (), inf)
    assert wish.queries == ("floor lamps",)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("slim fit women's tops, tees & blouses with long sleeve", "slim fit women's tops, tees & blouses"),
        ("slim fit, machine wash men's t-shirts & tanks", "machine wash men's t-shirts & tanks"),
    ],
)
def test_a_comma_may_be_part_of_the_kind(text: str, kind: str) -> None:
    assert read_wish(f"Find me {text}").kind == kind


def test_what_people_write_is_taken_as_a_whole() -> None:
    wish = read_wish("i want shoes with laces for my son, and price lower than 30.00 dollars")
    assert wish.in_free_words
    assert (wish.kind, wish.options, wish.price_limit) == ("i want shoes with laces for my son", (), 30.0)


def test_options_and_price_of_every_real_goal_are_read_as_they_were_meant() -> None:
    shop = real_shop()
    for split in ("train", "valid"):
        for task in shop.tasks(split):
            goal = shop.book.find(task.id).goal
            wish = read_wish(goal.text)
            assert wish.options == goal.options
            assert wish.price_limit == (inf if goal.price_limit == NO_PRICE_LIMIT else goal.price_limit)
            assert all(each in wish.attributes or each in wish.kind.lower() for each in goal.attributes)


@given(
    st.lists(st.sampled_from((" with ", " for ", ", ", ": ", ", and ", " & ", "Find me ", "a", "[", "\n")))
)
def test_any_text_can_be_read(parts: list[str]) -> None:
    wish = read_wish("".join(parts))
    assert all(query == searchable(query) for query in wish.queries)


@given(st.text())
def test_a_search_fits_into_an_action(text: str) -> None:
    query = searchable(text)
    assert len(searchable(query * MAX_QUERY_LENGTH)) <= MAX_QUERY_LENGTH
    assert not {"[", "]", "\n", "\r"}.intersection(query)
