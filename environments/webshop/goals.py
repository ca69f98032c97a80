"""Goals: what a shopper is asked to buy, drawn at random in the same order as in the reference.

A seed gives the reference's goals only if every number is drawn in its order: after `random.seed(s)` a
uniform price for each product with a price range, in file order; then for each instruction the price limit,
which is the larger of two of the next four multiples of 10 dollars above the price; and finally, with the
same seed again, the shuffle of the goals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from environments.webshop.products import Instruction, Product

PRICE_LIMITS = tuple(10.0 * ten for ten in range(1, 100))
"""Possible price limits in dollars."""
NO_PRICE_LIMIT = 1_000_000
"""Price limit, in dollars, of goals that name none."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One instruction with the product, options and price limit that satisfy it."""

    id: str
    product: Product
    text: str
    """Whole instruction, as the pages show it."""
    attributes: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    """Name and value of each option; the name is empty in goals written by people."""
    price_limit: float
    """Highest accepted price in dollars."""

    @property
    def named_options(self) -> dict[str, str]:
        return {name: value for name, value in self.options if name}


@dataclass(frozen=True)
class GoalList:
    """Goals, and the prices that were drawn together with them."""

    goals: tuple[Goal, ...]
    prices: Mapping[str, float]
    """Price in dollars by asin, only for products with a price range."""

    def price(self, product: Product) -> float:
        """The product's price in dollars, drawn or fixed."""
        return self.prices.get(product.asin, product.prices[0])


def synthetic_goals(products: Sequence[Product], seed: int) -> GoalList:
    """A goal for each combination of the options of each product, products in file order."""
    random = Random(seed)
    prices = _draw_prices(products, random)
    goals = GoalList((), prices)
    found: list[Goal] = []
    for product in products:
        if product.instruction is not None:
            limit, words = _draw_limit(goals.price(product), random)
            found.extend(_combinations(product, product.instruction, limit, words))
    return GoalList(tuple(found), prices)


def human_goals(products: Sequence[Product], seed: int) -> GoalList:
    """The goals written by people, products in file order; goals without attributes are skipped."""
    random = Random(seed)
    prices = _draw_prices(products, random)
    goals = GoalList((), prices)
    found = []
    for product in products:
        for number, instruction in enumerate(product.human_instructions):
            if instruction.attributes:
                limit, words = _draw_limit(goals.price(product), random)
                found.append(_human_goal(product, number, instruction, limit, words))
    return GoalList(tuple(found), prices)


def shuffled(goals: Iterable[Goal], seed: int) -> tuple[Goal, ...]:
    """The goals in the reference's order: the position is the goal index of the reference."""
    order = list(goals)
    Random(seed).shuffle(order)
    return tuple(order)


def _draw_prices(products: Iterable[Product], random: Random) -> dict[str, float]:
    return {product.asin: random.uniform(*product.prices) for product in products if len(product.prices) > 1}


def _draw_limit(price: float, random: Random) -> tuple[float, str]:
    """The price limit in dollars, and the words that state it in the instruction."""
    above = [limit for limit in PRICE_LIMITS if limit > price][:4]
    if len(above) < 2:
        return NO_PRICE_LIMIT, ""
    limit = max(random.sample(above, 2))
    return limit, f", and price lower than {limit:.2f} dollars"


def _combinations(
    product: Product, instruction: Instruction, limit: float, limit_words: str
) -> Iterable[Goal]:
    names = sorted(product.options)
    for number, values in enumerate(itertools.product(*(product.options[name] for name in names))):
        options = tuple(zip(names, values, strict=True))
        wanted = ", and ".join(f"{name}: {value}" for name, value in options)
        text = f"{instruction.text} with {wanted}{limit_words}" if wanted else instruction.text + limit_words
        yield Goal(f"{product.asin}-{number:04d}", product, text, instruction.attributes, options, limit)


def _human_goal(
    product: Product, number: int, instruction: Instruction, limit: float, limit_words: str
) -> Goal:
    return Goal(
        id=f"human-{product.asin}-{number:04d}",
        product=product,
        text=instruction.text.strip(".") + limit_words,
        attributes=instruction.attributes,
        options=tuple(("", value) for value in instruction.options),
        price_limit=limit,
    )
