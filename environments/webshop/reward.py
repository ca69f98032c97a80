"""The benchmark's graded reward of a purchase.

(attributes matched + options matched + [price <= limit]) / (attributes + options + 1) · type factor
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from thefuzz.fuzz import token_set_ratio

from environments.webshop.goals import Goal
from environments.webshop.products import Product

SIMILAR = 85
"""Token set ratios above this count as a match."""

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
"""The first of these within an option's value stands for the whole value."""


@dataclass(frozen=True)
class Score:
    """The parts of a purchase's reward."""

    type_factor: float
    """1 for the right kind of product, down to 0."""
    attributes: int
    """Attributes of the goal that the product has."""
    options: int
    """Options of the goal that were chosen."""
    affordable: bool
    reward: float
    """In [0, 1]; 1 is success."""


def score(product: Product, price: float, chosen: Mapping[str, str], goal: Goal) -> Score:
    """The reward of buying `product` at `price` dollars with the `chosen` options (name to value)."""
    factor = type_factor(product, goal.product)
    attributes = sum(has_attribute(product, attribute) for attribute in goal.attributes)
    options = _matched_options(tuple(chosen.values()), goal)
    affordable = price <= goal.price_limit
    share = (attributes + options + affordable) / (len(goal.attributes) + len(goal.options) + 1)
    return Score(factor, attributes, options, affordable, share * factor)


def type_factor(bought: Product, wanted: Product) -> float:
    """How far the bought product is of the wanted kind: by query, category path and title nouns."""
    title = _title_score(bought.title_nouns, wanted.title_nouns)
    if title == 0:
        return 0.0
    if title < 0.1:
        return 0.1
    same_kind = bought.query == wanted.query or _shared_categories(bought, wanted) >= 2 or title > 0.2
    return 1.0 if same_kind else 0.5


def _title_score(bought: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    """Distinct shared nouns over the wanted title's nouns, which are counted with repeats."""
    return len(set(bought) & set(wanted)) / len(wanted) if wanted else 0.2


def _shared_categories(one: Product, other: Product) -> int:
    return len(_categories(one) & _categories(other))


def _categories(product: Product) -> set[str]:
    return {part.strip() for part in product.category_path.split("›")}


def has_attribute(product: Product, attribute: str) -> bool:
    """Whether one of the product's attributes is close to this one, or its texts contain it."""
    return any(token_set_ratio(own, attribute) > SIMILAR for own in product.attributes) or any(
        attribute in text.lower() for text in (product.title, " ".join(product.features), product.description)
    )


def _matched_options(chosen: tuple[str, ...], goal: Goal) -> int:
    return sum(any(matches_option(value, *wanted) for value in chosen) for wanted in goal.options)


def matches_option(chosen: str, name: str, wanted: str) -> bool:
    """Whether a chosen value is close to an option of a goal (no name in goals that people wrote).

    The chosen value is cut down to a colour wherever it contains one; the goal's only where it is nothing
    else. So `titanium` becomes `tan` on one side alone, and such a goal cannot be met: the reference does
    this, and the ceiling of the benchmark is below 1 because of it.
    """
    return bool(token_set_ratio(_color_or_all(chosen), _wanted_text(name, wanted)) > SIMILAR)


def _color_or_all(value: str) -> str:
    return next((color for color in COLORS if color in value), value)


def _wanted_text(name: str, value: str) -> str:
    """The reference compares with the printed pair of name and value, quotes, escapes and all; what people
    wrote has no name and is cut down as the chosen value is."""
    if not name:
        return _color_or_all(value)
    return next((color for color in COLORS if color in (name, value)), str((name, value)))
