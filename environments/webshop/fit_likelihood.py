"""`bazel run //environments/webshop:fit_likelihood -- --data PATH`: fits the adviser's `likelihood.json`.

For training goals, both of the adviser's searches are made, and every product that they show is opened, read,
and bought. Three logistic regressions predict whether this purchase earns the full reward: from the cues of
the search result, of the product's page, and of the page and the features.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from random import Random

import numpy as np

from configuration.command import main as run
from configuration.command import parse
from configuration.environment import EnvironmentSettings
from configuration.section import Section
from core.paths import user_path
from environments import command
from environments.benchmark import Task
from environments.errors import DataNotFoundError, UnknownEnvironmentError
from environments.locations import shared_data_path
from environments.webshop.benchmark import WebShop, load
from environments.webshop.environment import WebShopEnvironment
from environments.webshop.files import DATA_VARIABLE
from environments.webshop.likelihood import DESCRIBED, HIT, ITEM, choices, hit_cues, item_cues
from environments.webshop.memory import Hit, Item, Memory
from environments.webshop.tasks import TRAIN
from environments.webshop.wish import Wish, read_wish

GOALS_PER_PRODUCT = 12
"""Largest number of a product's training goals that are searched for."""
RIDGE = 1e-4
"""Factor of the penalty on squared weights, which keeps the weight of a rare cue finite."""
_NEWTON_STEPS = 30
_STEPS = 1000
"""Step limit, above the length of any visit."""
_DECIMALS = 2
_CLOSE = 1e-9

Weights = Mapping[str, Mapping[str, float]]


class Flags(Section):
    """Options of this command alone."""

    out: Path = Path("environments/webshop/likelihood.json")
    """File to write."""


SYNTAX = command.syntax(
    "fit_likelihood",
    "Fits the weights by which the player `adviser` rates the products of a shop, to the goals of the split "
    f"{TRAIN}. --data names the folder of WebShop's files; {DATA_VARIABLE} if left out.",
    Flags,
)
DEFAULTS = {"environment": {"name": "webshop"}}


@dataclass(frozen=True)
class Example:
    """A product that a search shows, and whether it is the right one to buy."""

    cues: Mapping[str, Mapping[str, float]]
    """Cues by kind of product: what is known of it as a hit, on its page, and once its features are read."""
    wins: bool
    """Whether buying it with its closest options earns 1."""
    weight: float
    """Weight in the fit. All goals of a product together weigh the square root of their number, so that
    three products with hundreds of goals do not decide alone."""


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX, DEFAULTS)
    settings, out = line.configuration.environment, user_path(line.flags.out)
    if settings.name != "webshop":
        raise UnknownEnvironmentError(settings.name, ["webshop"])
    if settings.source != "generated":
        found = shared_data_path(settings.data, DATA_VARIABLE, "webshop")
        if found is None:
            raise DataNotFoundError(f"no WebShop data: name it with --data or {DATA_VARIABLE}")
        settings = settings.model_copy(update={"data": found})
    out.write_text(fit(settings))
    print(f"weights written to {out}")
    return 0


def fit(settings: EnvironmentSettings) -> str:
    """The text of the file with the weights fitted to the training goals of this shop."""
    shop = load(settings.model_copy(update={"step_limit": _STEPS}))
    tasks = sampled(shop, settings.seed)
    examples = list(examples_of(shop, tasks))
    return file_text(fitted(examples), len(tasks), len(examples))


def sampled(shop: WebShop, seed: int) -> list[Task]:
    """Up to `GOALS_PER_PRODUCT` training goals of each product, drawn with the seed."""
    random = Random(seed)
    drawn: list[Task] = []
    for tasks in _by_product(shop, shop.tasks(TRAIN)).values():
        drawn += random.sample(tasks, min(GOALS_PER_PRODUCT, len(tasks)))
    return drawn


def examples_of(shop: WebShop, tasks: Sequence[Task]) -> Iterator[Example]:
    """The products on the first page of each of the adviser's searches for these training goals."""
    goals = _by_product(shop, shop.tasks(TRAIN))
    counts = {asin: len(of_product) for asin, of_product in _by_product(shop, tasks).items()}
    for task in tasks:
        asin = shop.book.find(task.id).goal.product.asin
        yield from _examples(shop.environment(), task, sqrt(len(goals[asin])) / counts[asin])


def fitted(examples: Sequence[Example]) -> Weights:
    """The weights of all kinds of products, rounded as they are shipped."""
    weights = {}
    for kind in (HIT, ITEM, DESCRIBED):
        known = [example for example in examples if kind in example.cues]
        names = list(known[0].cues[kind])
        found = logistic_regression(
            np.array([[example.cues[kind][name] for name in names] for example in known], dtype=float),
            np.array([example.wins for example in known]),
            np.array([example.weight for example in known]),
        )
        weights[kind] = dict(zip(names, found.round(_DECIMALS).tolist(), strict=True))
    return weights


def logistic_regression(cues: np.ndarray, wins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Minimizes the mean log loss plus RIDGE / 2 times the squared norm, by Newton's method.

    Args:
        cues: [example, cue].
        wins: [example] Whether the example wins.
        weights: [example] Weight of the example in the mean.

    Returns:
        [cue] Weights of the cues in the log-odds.
    """
    share = weights / weights.sum()
    found = np.zeros(cues.shape[1])
    for _ in range(_NEWTON_STEPS):
        likely = 1 / (1 + np.exp(-cues @ found))
        gradient = cues.T @ (share * (likely - wins)) + RIDGE * found
        curvature = cues.T @ (cues * (share * likely * (1 - likely))[:, None]) + RIDGE * np.eye(len(found))
        change = np.linalg.solve(curvature, gradient)
        found -= change
        if np.abs(change).max() < _CLOSE:
            break
    return found


def file_text(weights: Weights, goals: int, results: int) -> str:
    """Text of the shipped file: the origin of the numbers, then a line for each kind of product."""
    about = (
        f"Fitted to the {results} search results of {goals} goals of WebShop's split {TRAIN} by "
        "bazel run //environments/webshop:fit_likelihood. For each kind of product: the weight of each cue "
        "in the log-odds that buying it wins."
    )
    lines = ",\n".join(f"  {json.dumps(kind)}: {json.dumps(row)}" for kind, row in weights.items())
    return f'{{\n "about": {json.dumps(about)},\n "weights": {{\n{lines}\n }}\n}}\n'


def _by_product(shop: WebShop, tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """The tasks by the asin of their product."""
    found: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        found[shop.book.find(task.id).goal.product.asin].append(task)
    return found


def _examples(environment: WebShopEnvironment, task: Task, weight: float) -> Iterator[Example]:
    visit = _Visit.begin(environment, task)
    for query in visit.wish.queries:
        if visit.memory.searches:
            visit.do("click[Back to Search]")
        visit.do(f"search[{query}]")
        for hit in visit.memory.hits:
            yield visit.example(hit, weight)


class _Visit:
    """An episode, with what its pages reveal."""

    def __init__(self, environment: WebShopEnvironment, wish: Wish, memory: Memory) -> None:
        self._environment, self.wish, self.memory = environment, wish, memory
        self.won = False

    @classmethod
    def begin(cls, environment: WebShopEnvironment, task: Task) -> _Visit:
        observation, info = environment.reset(options={"task": task.id})
        return cls(
            environment, read_wish(info["goal"]), Memory.of([(observation, info["admissible_actions"])])
        )

    def do(self, action: str) -> _Visit:
        observation, _, _, _, info = self._environment.step(action)
        self.memory.note(observation, info["admissible_actions"])
        self.won = info["won"]
        return self

    def example(self, hit: Hit, weight: float) -> Example:
        rank = self.memory.log_rank(hit.title)
        page = self._twin().do(f"click[{hit.link}]")
        item, described = page._item, page._twin().do("click[Features]")._item
        for value in choices(item, self.wish):
            page.do(f"click[{value}]")
        cues = {HIT: hit_cues(hit, self.wish, rank), ITEM: item_cues(item, self.wish, rank)}
        if described.described:
            cues[DESCRIBED] = item_cues(described, self.wish, rank)
        return Example(cues, page.do("click[Buy Now]").won, weight)

    @property
    def _item(self) -> Item:
        return self.memory.items[self.memory.title]

    def _twin(self) -> _Visit:
        # Only result pages change `places`, and a twin visits none.
        memory = replace(self.memory, items=dict(self.memory.items))
        return _Visit(self._environment.snapshot(), self.wish, memory)


if __name__ == "__main__":
    run(main)
