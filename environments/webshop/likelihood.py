"""Estimates how likely a product is the wanted one, from what its pages show.

The log-odds are weighted sums of a few cues. `likelihood.json` holds the weights, which are those of logistic
regressions that predict whether buying a product wins. It is made by
`bazel run //environments/webshop:fit_likelihood`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path

from thefuzz.fuzz import token_set_ratio

from environments.webshop.memory import BUTTONS, Hit, Item
from environments.webshop.reward import matches_option
from environments.webshop.wish import Wish, terms

_MEN, _WOMEN = terms("men mens man male"), terms("women womens woman ladies lady female")
_NEAR, _FAR = 10.0, 40.0
"""Smallest and largest usual distance, in dollars, of the price limit from the wanted product's price: limits
are drawn from the second to the fourth multiple of ten above the price."""

FILE = Path(__file__).with_name("likelihood.json")
HIT, ITEM, DESCRIBED = "hit", "item", "described"
"""Kinds of products, each with weights of its own: a search result, a product whose page has been opened, and
one whose features or description have been read as well."""


@cache
def shipped_weights() -> Mapping[str, Mapping[str, float]]:
    """The weight of each cue by kind of product."""
    return json.loads(FILE.read_text())["weights"]


def of_hit(hit: Hit, wish: Wish, log_rank: float) -> float:
    """Log-odds that a search result is the wanted product; `log_rank` is that of `Memory.log_rank`."""
    return _weighted(shipped_weights()[HIT], hit_cues(hit, wish, log_rank))


def of_item(item: Item, wish: Wish, log_rank: float) -> float:
    """Log-odds that a product whose page has been opened is the wanted one; `log_rank` as in `of_hit`."""
    kind = DESCRIBED if item.described else ITEM
    return _weighted(shipped_weights()[kind], item_cues(item, wish, log_rank))


def hit_cues(hit: Hit, wish: Wish, log_rank: float) -> dict[str, float]:
    """The cues of a search result, which are the names of its weights; `log_rank` as in `of_hit`."""
    return _cues(hit, hit.title, wish) | {"log rank": log_rank}


def item_cues(item: Item, wish: Wish, log_rank: float) -> dict[str, float]:
    """The cues of a product whose page has been opened; `log_rank`, as in `of_hit`, matters until it is
    described."""
    text = " ".join((item.title, *item.texts)).lower()
    cues = _cues(item, text, wish) | _option_cues(item, wish)
    if not item.described:
        return cues | {"log rank": log_rank}
    return cues | {"attributes": _share(attribute in text for attribute in wish.attributes)}


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


def _cues(product: Hit | Item, text: str, wish: Wish) -> dict[str, float]:
    """The cues that hits and items have in common; `text` is all that is known of the product."""
    known, (low, high) = terms(text), product.prices
    return {
        "bias": 1.0,
        "words": _share(word in known for word in wish.words),
        "other sex": _for_others(terms(wish.kind), terms(product.title)),
        "fair price": low < wish.price_limit - _NEAR and high >= wish.price_limit - _FAR,
        "too dear": low >= wish.price_limit,
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
