"""Scripted shoppers: the rule and the random baseline, the expert, and the adviser, who teaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from environments.benchmark import DemonstrationStep, StepInfo
from environments.webshop.adviser import TURNS, advise
from environments.webshop.catalogue import Catalogue
from environments.webshop.expert import BUY, FIND
from environments.webshop.memory import Memory
from environments.webshop.pages import SEARCH_ACTION, SEPARATOR
from environments.webshop.products import Product

NAMES = ("adviser", "expert", "random", "rule")
TRY = "try anything"


class RulePolicy:
    """Searches the whole instruction, opens the first hit, chooses the options it names, and buys.

    Of the values of an option that the instruction contains, the longest is chosen. Clicks are written as the
    page shows their target, which the shop reads in lower case: who imitates them can copy.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._by_link = {product.asin.lower(): product for product in catalogue.products}
        self._choices: list[str] = []

    def begin(self, observation: str, info: StepInfo) -> None:
        self._choices = []

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        if SEARCH_ACTION in info["admissible_actions"]:
            return DemonstrationStep(FIND, f"search[{info['goal']}]")
        targets = [action.removeprefix("click[").removesuffix("]") for action in info["admissible_actions"]]
        subgoal, target = self._click(targets, info["goal"])
        return DemonstrationStep(subgoal, f"click[{_as_shown(target, observation)}]")

    def _click(self, targets: Sequence[str], goal: str) -> tuple[str, str]:
        """Subgoal and target."""
        if "buy now" in targets:
            return BUY, self._choices.pop(0) if self._choices else "buy now"
        link = next((target for target in targets if target in self._by_link), None)
        if link is None:
            return FIND, "back to search"
        self._choices = _named_values(self._by_link[link], goal.lower())
        return FIND, link


class AdviserPolicy:
    """Judges by the pages alone, so that it plays well whatever was done before, by whomever."""

    def __init__(self, step_limit: int, options_shown: bool) -> None:
        self._turns = min(step_limit, TURNS)
        self._options_shown = options_shown

    def begin(self, observation: str, info: StepInfo) -> None:
        self._memory = Memory()

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        self._memory.note(observation, info["admissible_actions"])
        return advise(info["goal"], self._memory, self._turns, self._options_shown)


class RandomPolicy:
    """Takes any admissible action with equal chances; where that is a search, searches the instruction."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def begin(self, observation: str, info: StepInfo) -> None:
        pass

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        action = self._random.choice(info["admissible_actions"])
        return DemonstrationStep(TRY, f"search[{info['goal']}]" if action == SEARCH_ACTION else action)


class ExpertPolicy:
    """Plays the demonstration of the task; after its end, which only a foreign start can reach, it buys."""

    def __init__(self, demonstrate: Callable[[str], tuple[DemonstrationStep, ...]]) -> None:
        self._demonstrate = demonstrate
        self._steps: list[DemonstrationStep] = []

    def begin(self, observation: str, info: StepInfo) -> None:
        self._steps = list(self._demonstrate(info["task_id"]))

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return self._steps.pop(0) if self._steps else DemonstrationStep(BUY, "click[buy now]")


def _as_shown(target: str, page: str) -> str:
    return next((text for text in page.split(SEPARATOR) if text.lower() == target), target)


def _named_values(product: Product, goal: str) -> list[str]:
    named = ([value for value in values if value in goal] for values in product.options.values())
    return [max(values, key=len) for values in named if values]
