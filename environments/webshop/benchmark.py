"""WebShop as a benchmark: tasks, environments, demonstrations and scripted players."""

from __future__ import annotations

from functools import lru_cache

from configuration.environment import EnvironmentSettings
from environments import locations
from environments.benchmark import DemonstrationStep, Policy, Task
from environments.errors import DataNotFoundError, UnknownPolicyError
from environments.webshop import outcomes, policies
from environments.webshop.adviser import DECISIVE
from environments.webshop.catalogue import Catalogue, load_catalogue
from environments.webshop.environment import WebShopEnvironment
from environments.webshop.expert import demonstrate
from environments.webshop.files import DATA_VARIABLE, PUBLISHED, find_files
from environments.webshop.synthetic import synthetic_catalogue
from environments.webshop.tasks import DisjointTasks, HiperTasks, TaskBook
from environments.webshop.telling import WebShopTelling


class WebShop:
    """A catalogue with its tasks, which all its environments share."""

    name = "webshop"
    telling = WebShopTelling()

    def __init__(self, catalogue: Catalogue, book: TaskBook, *, step_limit: int, show_options: bool) -> None:
        self.catalogue = catalogue
        self.book = book
        self.splits = book.splits
        self._step_limit = step_limit
        self._show_options = show_options
        self._measured_lines = lru_cache(self._measure_lines)

    def tasks(self, split: str) -> tuple[Task, ...]:
        return self.book.tasks(split)

    def environment(self) -> WebShopEnvironment:
        return WebShopEnvironment(
            self.catalogue, self.book, step_limit=self._step_limit, show_options=self._show_options
        )

    def demonstration(self, task: Task) -> tuple[DemonstrationStep, ...]:
        return demonstrate(self.book.find(task.id).goal, self.catalogue)

    def policy(self, name: str, seed: int) -> Policy:
        if name == "rule":
            return policies.RulePolicy(self.catalogue)
        if name == "adviser":
            return policies.AdviserPolicy(self._step_limit, self._show_options)
        if name == "decisive":
            return policies.AdviserPolicy(self._step_limit, self._show_options, DECISIVE)
        if name == "random":
            return policies.RandomPolicy(seed)
        if name == "expert":
            return policies.ExpertPolicy(lambda id_: demonstrate(self.book.find(id_).goal, self.catalogue))
        raise UnknownPolicyError(name, policies.NAMES)

    def family_of(self, task_id: str) -> str:
        """The number of the goal's product: its goals differ only in their options."""
        return self.book.find(task_id).goal.product.asin

    def reference_lines(self, split: str) -> tuple[str, ...]:
        """The best possible score and the baselines of a split in words; measured at the first call."""
        return self._measured_lines(split)

    def _measure_lines(self, split: str) -> tuple[str, ...]:
        return outcomes.reference_lines(
            split, self.book, self.environment(), lambda name: self.policy(name, seed=0)
        )


def load(settings: EnvironmentSettings) -> WebShop:
    """The shop that the settings describe; raises `EnvironmentDataError` if its data is missing or broken."""
    catalogue = _catalogue(settings)
    hiper = settings.compat == "hiper"
    return WebShop(
        catalogue,
        (HiperTasks if hiper else DisjointTasks)(catalogue, settings.seed),
        step_limit=settings.step_limit,
        show_options=settings.show_options and not hiper,
    )


def _catalogue(settings: EnvironmentSettings) -> Catalogue:
    data = None if settings.source == "generated" else locations.data_path(settings.data, DATA_VARIABLE)
    if data is not None:
        return load_catalogue(find_files(data))
    if settings.source == "real":
        commands = "\n  ".join(each.command for each in PUBLISHED["small"])
        raise DataNotFoundError(
            f"no WebShop data: name its folder with --environment.data or {DATA_VARIABLE}. To get it:\n"
            f"  {commands}"
        )
    return synthetic_catalogue(settings.generator.products, settings.seed)
