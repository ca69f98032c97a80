"""Estimates how likely a product is the wanted one, from what its pages show.

The log-odds are weighted sums of a few cues. The weights come from logistic regressions, rounded, that
predict whether buying a hit wins, over the hits of searches for up to twelve training goals per product (seed
0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from thefuzz.fuzz import token_set_ratio

from environments.webshop.memory import BUTTONS, Hit, Item
from environments.webshop.reward import matches_option
from environments.webshop.wish import Wish, terms

_MEN, _WOMEN = terms("men mens man male"), terms("women womens woman ladies lady female")
_NEAR, _FAR = 10.0, 40.0
"""Smallest and largest usual distance, in dollars, of the price limit from the wanted product's price: limits
are drawn from the second to the fourth multiple of ten above the price."""

_OF_HIT = {"words": 2.0, "other sex": -1.9, "fair price": 2.4, "too dear": -2.2, "log rank": -2.0}
_OF_ITEM = {"words": 2.0, "other sex": -1.9, "fair price": 2.4, "too dear": -2.2, "log rank": -1.2} | {
    "options": 2.5,
    "exact options": 2.0,
    "same option names": 1.3,
}
_OF_DESCRIBED = {"words": 4.8, "other sex": -1.6, "fair price": 1.9, "too dear": -2.3} | {
    "options": 2.4,
    "exact options": 2.3,
    "same option names": 0.8,
    "attributes": 2.3,
}
_HIT_BIAS, _ITEM_BIAS, _DESCRIBED_BIAS = -2.3, -7.0, -11.8


def of_hit(hit: Hit, wish: Wish, log_rank: float) -> float:
    """Log-odds that a search result is the wanted product; `log_rank` is that of `Memory.log_rank`."""
    return _HIT_BIAS + _weighted(_OF_HIT, _cues(hit, hit.title, wish, log_rank))


def of_item(item: Item, wish: Wish, log_rank: float) -> float:
    """Log-odds that a product whose page has been opened is the wanted one; `log_rank` as in `of_hit`."""
    text = " ".join((item.title, *item.texts)).lower()
    cues = _cues(item, text, wish, log_rank) | _option_cues(item, wish)
    if not item.described:
        return _ITEM_BIAS + _weighted(_OF_ITEM, cues)
    cues["attributes"] = _share(attribute in text for attribute in wish.attributes)
    return _DESCRIBED_BIAS + _weighted(_OF_DESCRIBED, cues)


def choices(item: Item, wish: Wish) -> tuple[str, ...]:
    """The values to click: one for each wanted option that the product has.

    A click on a value that several options have sets the last of these options, and each option is set at
    most once. For an instruction in free words, these are the longest values that the instruction contains.
    """
    if wish.in_free_words:
        named = (
            [v for v in values if v in wish.kind.lower() and _clicks(v)] for values in item.options.values()
        )
        return tuple(dict.fromkeys(max(values, key=len) for values in named if values))
    clickable = {value: name for name, values in item.options.items() for value in values if _clicks(value)}
    found = (_closest(clickable, *option) for option in wish.options)
    return tuple({clickable[value]: value for value in found if value is not None}.values())


def _clicks(value: str) -> bool:
    """Whether a click on this value chooses it, rather than meaning something else."""
    return value not in BUTTONS and not set("[]\n").intersection(value)


def _closest(values: Iterable[str], name: str, wanted: str) -> str | None:
    if wanted in values:
        return wanted
    similar = [value for value in values if _matches(value, name, wanted)]
    return max(similar, key=lambda value: token_set_ratio(value, wanted), default=None)


_matches = lru_cache(maxsize=1 << 16)(matches_option)


def _cues(product: Hit | Item, text: str, wish: Wish, log_rank: float) -> dict[str, float]:
    """The cues that hits and items have in common; `text` is all that is known of the product."""
    known, (low, high) = terms(text), product.prices
    return {
        "words": _share(word in known for word in wish.words),
        "other sex": _for_others(terms(wish.kind), terms(product.title)),
        "fair price": low < wish.price_limit - _NEAR and high >= wish.price_limit - _FAR,
        "too dear": low >= wish.price_limit,
        "log rank": log_rank,
    }


def _option_cues(item: Item, wish: Wish) -> dict[str, float]:
    values = [value for values in item.options.values() for value in values]
    return {
        "options": all(_closest(values, *option) is not None for option in wish.options),
        "exact options": all(value in item.options.get(name, ()) for name, value in wish.options),
        "same option names": wish.in_free_words or set(item.options) == {name for name, _ in wish.options},
    }


def _for_others(kind: frozenset[str], title: frozenset[str]) -> bool:
    """Whether the title names only women although men are meant, or the other way round."""
    wanted = [sex for sex in (_MEN, _WOMEN) if sex & kind]
    named = [sex for sex in (_MEN, _WOMEN) if sex & title]
    return bool(wanted and named) and not any(sex in named for sex in wanted)


def _share(cues: Iterable[bool]) -> float:
    """The share of the cues that hold; 1 if there are none."""
    held = list(cues)
    return sum(held) / len(held) if held else 1.0


def _weighted(weights: Mapping[str, float], cues: Mapping[str, float]) -> float:
    return sum(weight * cues[cue] for cue, weight in weights.items())
