"""Demonstrations by a shopper who knows the right product."""

from __future__ import annotations

from environments.benchmark import DemonstrationStep
from environments.webshop.catalogue import Catalogue
from environments.webshop.goals import Goal
from environments.webshop.reward import matches_option
from environments.webshop.session import PAGE_SIZE

FIND = "find a matching product"
"""Subgoal for searching, paging through the results and opening the product. It spans several turns on
purpose: HAE credits the executor with what followed within a subgoal, and beyond it only with what the critic
expects."""
BUY = "choose the options and buy it"


def demonstrate(goal: Goal, catalogue: Catalogue) -> tuple[DemonstrationStep, ...]:
    """Searches with the key words of the instruction, opens the product, chooses its options and buys it."""
    query, rank = _search(goal, catalogue)
    turns = [DemonstrationStep(FIND, "click[next >]")] * (rank // PAGE_SIZE)
    choices = [DemonstrationStep(BUY, f"click[{value}]") for value in right_options(goal).values()]
    return (
        DemonstrationStep(FIND, f"search[{query}]"),
        *turns,
        DemonstrationStep(FIND, f"click[{goal.product.asin.lower()}]"),
        *choices,
        DemonstrationStep(BUY, "click[buy now]"),
    )


def right_options(goal: Goal) -> dict[str, str]:
    """The values to choose, by option name; goals written by people only name values, which are matched."""
    if goal.named_options or not goal.options:
        return goal.named_options
    return {
        name: value
        for name, values in goal.product.options.items()
        for value in [next((each for each in values if _wanted(each, goal)), None)]
        if value is not None
    }


def _wanted(value: str, goal: Goal) -> bool:
    return any(matches_option(value, name, wanted) for name, wanted in goal.options)


def _search(goal: Goal, catalogue: Catalogue) -> tuple[str, int]:
    """The first query with the product on its first page, or else the best query; and the rank, from 0."""
    ranked = []
    for query in _queries(goal):
        rank = _rank(goal, query, catalogue)
        if rank < PAGE_SIZE:
            return query, rank
        ranked.append((rank, query))
    rank, query = min(ranked)
    return query, rank


def _rank(goal: Goal, query: str, catalogue: Catalogue) -> int:
    """The product's rank in the results, from 0; larger than all ranks if it is not among them."""
    found = catalogue.find(query.lower())
    return found.index(goal.product) if goal.product in found else len(found) + PAGE_SIZE


def _queries(goal: Goal) -> tuple[str, ...]:
    """Queries to try, the plainest first; the title, which the instruction does not reveal, comes last."""
    values = tuple(value for _, value in goal.options)
    plain = " ".join((*goal.attributes, goal.product.query))
    # Brackets would end the action `search[…]` early.
    return tuple(
        query.replace("[", " ").replace("]", " ")
        for query in (plain, " ".join((plain, *values)), goal.text, goal.product.title)
    )
