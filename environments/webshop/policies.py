"""Scripted players: the baselines `rule` and `random`, the expert, and two advisers, which teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from environments.benchmark import DemonstrationStep, StepInfo
from environments.webshop.adviser import SURE, TURNS, advise
from environments.webshop.catalogue import Catalogue
from environments.webshop.expert import BUY, FIND
from environments.webshop.memory import Memory
from environments.webshop.pages import SEARCH_ACTION, SEPARATOR
from environments.webshop.products import Product

NAMES = ("adviser", "decisive", "expert", "random", "rule")
TRY = "try anything"


class RulePolicy:
    """Searches for the instruction, opens the first result, chooses the options that it names, and buys.

    If the instruction contains several values of an option, the longest is chosen. The targets of clicks are
    spelled as on the page, so that a model can learn to copy them; the shop ignores upper and lower case.
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
        """The next subgoal, and the target of the click that serves it."""
        if "buy now" in targets:
            return BUY, self._choices.pop(0) if self._choices else "buy now"
        link = next((target for target in targets if target in self._by_link), None)
        if link is None:
            return FIND, "back to search"
        self._choices = _named_values(self._by_link[link], goal.lower())
        return FIND, link


class AdviserPolicy:
    """Decides only from the pages of the episode, so it plays well even after turns that others played."""

    def __init__(self, step_limit: int, options_shown: bool, sure: float = SURE) -> None:
        """`sure` are the log-odds from which it buys a product without looking at others."""
        self._turns = min(step_limit, TURNS)
        self._options_shown = options_shown
        self._sure = sure

    def begin(self, observation: str, info: StepInfo) -> None:
        self._memory = Memory()

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        self._memory.note(observation, info["admissible_actions"])
        return advise(info["goal"], self._memory, self._turns, self._options_shown, self._sure)


class RandomPolicy:
    """Takes an admissible action at random; if that is a search, searches for the instruction."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def begin(self, observation: str, info: StepInfo) -> None:
        pass

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        action = self._random.choice(info["admissible_actions"])
        return DemonstrationStep(TRY, f"search[{info['goal']}]" if action == SEARCH_ACTION else action)


class ExpertPolicy:
    """Plays the demonstration of the task; buys after its end, which only occurs if others played turns."""

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
