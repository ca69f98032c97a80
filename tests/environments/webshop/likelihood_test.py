"""How products are judged, and which of their options are chosen."""

from environments.webshop.likelihood import choices, of_hit, of_item
from environments.webshop.memory import Hit, Item
from environments.webshop.wish import read_wish

WISH = read_wish(
    "Find me easy clean men's shirts with short sleeve with color: navy, and size: s, "
    "and price lower than 60.00 dollars"
)
OPTIONS = {"color": ("red", "navy"), "size": ("s", "m")}


def item(
    title: str = "Easy Shirt", price: float = 35.0, texts: tuple[str, ...] = (), **options: tuple[str, ...]
) -> Item:
    return Item(title, (price, price), options or OPTIONS, texts)


def test_words_sex_price_and_rank_tell_hits_apart() -> None:
    good = Hit("B01", "Easy Clean Shirt for Men", (35.0, 35.0))
    worse = [
        (Hit("B02", "Lamp for Men", (35.0, 35.0)), 0.0),
        (Hit("B03", "Easy Clean Shirt for Women", (35.0, 35.0)), 0.0),
        (Hit("B04", "Easy Clean Shirt for Men", (60.0, 60.0)), 0.0),
        (Hit("B05", "Easy Clean Shirt for Men", (5.0, 5.0)), 0.0),
        (good, 1.0),
    ]
    best = of_hit(good, WISH, 0.0)
    assert all(of_hit(hit, WISH, log_rank) < best for hit, log_rank in worse)


def test_a_price_range_is_fair_if_a_part_of_it_is() -> None:
    wide, low, high = (Hit("B01", "Shirt", prices) for prices in ((10.0, 90.0), (10.0, 15.0), (55.0, 90.0)))
    assert of_hit(wide, WISH, 0.0) > of_hit(low, WISH, 0.0) == of_hit(high, WISH, 0.0)


def test_options_tell_products_apart() -> None:
    exact = of_item(item(), WISH, 0.0)
    similar = of_item(item(color=("b-navy",), size=("s", "m")), WISH, 0.0)
    missing = of_item(item(color=("red",), size=("s",)), WISH, 0.0)
    more = of_item(item(color=("navy",), size=("s",), style=("a",)), WISH, 0.0)
    assert exact > similar > missing and exact > more


def test_features_confirm_or_refute() -> None:
    confirmed = of_item(item(texts=("Short sleeve. Easy to clean. For men.",)), WISH, 0.0)
    refuted = of_item(item(texts=("Long arms.",)), WISH, 0.0)
    assert confirmed > of_item(item(), WISH, 0.0) > refuted


def test_the_closest_value_is_chosen() -> None:
    assert choices(item(color=("b-navy", "navy"), size=("m", "s")), WISH) == ("navy", "s")
    assert choices(item(color=("b-navy", "red"), size=("m",)), WISH) == ("b-navy",)


def test_a_value_of_two_options_sets_the_last_only() -> None:
    wish = read_wish("Find me rugs with base: red, and top: blue")
    assert choices(item(base=("red", "blue"), top=("red", "blue")), wish) == ("blue",)


def test_values_that_a_click_cannot_choose_are_left_out() -> None:
    wish = read_wish("Find me rugs with back: features, and top: [red]")
    assert choices(item(back=("features",), top=("[red]",)), wish) == ()


def test_free_words_choose_the_longest_value_that_they_contain() -> None:
    wish = read_wish("I need a dark red rug in size m")
    assert choices(item(color=("red", "dark red", "blue"), size=("m", "xl")), wish) == ("dark red", "m")
