"""The graded reward of a purchase.

(attributes matched + options matched + [price <= limit]) / (attributes + options + 1) · type factor
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thefuzz.fuzz import token_set_ratio

from environments.webshop.goals import Goal
from environments.webshop.products import Product

SIMILAR = 85
"""Token set ratio, in [0, 100], above which two texts match."""

_COLORS = (
    "alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown "
    "burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac "
    "copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold granite "
    "grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon leopard light "
    "lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom mustard natural navy "
    "nude olive orange peach pewter pink plum purple rainbow red rose royal rust sand sapphire seashell "
    "silver skull slate steel stone stonewash sunflower tan taupe teal tiger turquoise violet walnut "
    "wheat white wine yellow"
)
COLORS = tuple(_COLORS.split())
"""Colours in order of precedence: of an option's value, the reward compares only the first of these in it."""


@dataclass(frozen=True)
class Score:
    """The parts of a purchase's reward."""

    type_factor: float
    """Factor in [0, 1]: 1 for the right kind of product."""
    attributes: int
    """Number of the goal's attributes that the product has."""
    options: int
    """Number of the goal's options that were chosen."""
    affordable: bool
    """Whether the price is within the limit."""
    reward: float
    """Reward in [0, 1]; 1 is success."""


def score(product: Product, price: float, chosen: Mapping[str, str], goal: Goal) -> Score:
    """The reward of buying `product` at `price` dollars with the `chosen` options (name to value)."""
    factor = type_factor(product, goal.product)
    attributes = sum(has_attribute(product, attribute) for attribute in goal.attributes)
    options = _matched_options(tuple(chosen.values()), goal)
    affordable = price <= goal.price_limit
    # An affordable price counts like one more attribute or option.
    share = (attributes + options + affordable) / (len(goal.attributes) + len(goal.options) + 1)
    return Score(factor, attributes, options, affordable, share * factor)


def type_factor(bought: Product, wanted: Product) -> float:
    """How well the bought product's kind matches, by query, category path and title nouns: 0, 0.1, 0.5 or 1.

    The thresholds are the reference's.
    """
    title = _title_score(bought.title_nouns, wanted.title_nouns)
    if title == 0:
        return 0.0
    if title < 0.1:
        return 0.1
    same_kind = bought.query == wanted.query or _shared_categories(bought, wanted) >= 2 or title > 0.2
    return 1.0 if same_kind else 0.5


def _title_score(bought: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    """Number of distinct shared nouns over the number of the wanted title's nouns, counted with repeats."""
    # Without nouns 0.2, which in `type_factor` neither lowers the factor nor proves the right kind.
    return len(set(bought) & set(wanted)) / len(wanted) if wanted else 0.2


def _shared_categories(one: Product, other: Product) -> int:
    return len(_categories(one) & _categories(other))


def _categories(product: Product) -> set[str]:
    return {part.strip() for part in product.category_path.split("›")}


def has_attribute(product: Product, attribute: str) -> bool:
    """Whether one of the product's attributes is similar to this one, or its texts contain it."""
    return any(token_set_ratio(own, attribute) > SIMILAR for own in product.attributes) or any(
        attribute in text.lower() for text in (product.title, " ".join(product.features), product.description)
    )


def _matched_options(chosen: tuple[str, ...], goal: Goal) -> int:
    return sum(any(matches_option(value, *wanted) for value in chosen) for wanted in goal.options)


def matches_option(chosen: str, name: str, wanted: str) -> bool:
    """Whether a chosen value matches an option of a goal; `name` is empty in goals written by people.

    A chosen value that contains a colour anywhere is reduced to that colour; the goal's value only if it
    consists of nothing else. Thus `titanium` becomes `tan` on one side alone, and such a goal cannot be met.
    The reference does this, and it is why the best possible score of the benchmark is below 1.
    """
    return bool(token_set_ratio(_color_or_all(chosen), _wanted_text(name, wanted)) > SIMILAR)


def _color_or_all(value: str) -> str:
    return next((color for color in COLORS if color in value), value)


def _wanted_text(name: str, value: str) -> str:
    """The goal's side of the comparison.

    The reference prints the pair of name and value as Python does, with quotes and escapes, and compares
    with that text. Goals written by people have no name; their values are reduced like the chosen one.
    """
    if not name:
        return _color_or_all(value)
    return next((color for color in COLORS if color in (name, value)), str((name, value)))
