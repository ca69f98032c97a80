"""WebShop as an environment: gymnasium's `reset` and `step` around one session."""

from __future__ import annotations

import copy
from typing import Self

from environments.benchmark import StepInfo, TextEnvironment
from environments.errors import ActionTypeError, EpisodeError
from environments.webshop.catalogue import Catalogue
from environments.webshop.pages import View, render
from environments.webshop.reward import score
from environments.webshop.session import Page, Session, after_click, after_search, parse_action
from environments.webshop.tasks import TRAIN, Assignment, TaskBook


class WebShopEnvironment(TextEnvironment):
    """One shopper. An action that the page does not understand changes nothing and has reward 0."""

    def __init__(self, catalogue: Catalogue, book: TaskBook, *, step_limit: int, show_options: bool) -> None:
        self._catalogue = catalogue
        self._book = book
        self._step_limit = step_limit
        self._show_options = show_options
        self._task_id = ""
        self._assignment: Assignment | None = None

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        """Starts the named task, or a training task drawn at random; `UnknownTaskError` for unknown tasks."""
        # TextEnvironment only declares `reset`; gymnasium's own seeds the generator.
        super(TextEnvironment, self).reset(seed=seed)
        task_id = (options or {}).get("task") or self._draw()
        self._assignment = self._book.find(task_id)
        self._task_id = task_id
        self._steps = 0
        self._score = 0.0
        self._session = Session()
        self._view = self._render()
        return self._view.text, self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:  # type: ignore[override]
        """As gymnasium's.

        Raises:
            ActionTypeError: the action is not a string.
            EpisodeError: no episode is running.
        """
        if not isinstance(action, str):
            raise ActionTypeError(action)
        self._require_episode()
        if self._terminated or self._truncated:
            raise EpisodeError("the episode is over: call reset before the next step")
        self._steps += 1
        following = self._follow(action)
        if following is not None:
            self._session = following
            self._view = self._render()
        reward = self._purchase() if self._terminated else 0.0
        return self._view.text, reward, self._terminated, self._truncated, self._info()

    def snapshot(self) -> Self:
        self._require_episode()
        twin = copy.copy(self)
        # gymnasium keeps its generator there; shared, the twins' draws would not be independent.
        twin._np_random = copy.deepcopy(self._np_random)
        return twin

    @property
    def clickables(self) -> tuple[str, ...]:
        """What can be clicked now, in the reference's order."""
        return self._view.clickables

    @property
    def has_search_bar(self) -> bool:
        return self._session.page is Page.START

    @property
    def _terminated(self) -> bool:
        return self._session.page is Page.DONE

    @property
    def _truncated(self) -> bool:
        return self._steps >= self._step_limit and not self._terminated

    def _require_episode(self) -> Assignment:
        if self._assignment is None:
            raise EpisodeError("call reset before the first step")
        return self._assignment

    def _draw(self) -> str:
        tasks = self._book.tasks(TRAIN)
        return tasks[int(self.np_random.integers(len(tasks)))].id

    def _follow(self, action: str) -> Session | None:
        name, argument = parse_action(action)
        if name == "search":
            return after_search(argument)
        if name == "click" and argument in self._view.clickables:
            return after_click(self._session, argument, self._catalogue)
        return None

    def _purchase(self) -> float:
        goal, drawn = self._require_episode().goal, self._require_episode().drawn
        product = self._session.product
        if product is not None:
            self._score = score(product, drawn.price(product), dict(self._session.options), goal).reward
        return self._score

    def _render(self) -> View:
        goal = self._require_episode().goal
        return render(self._session, goal.text, self._catalogue, self._show_options)

    def _info(self) -> StepInfo:
        goal = self._require_episode().goal
        return {
            "admissible_actions": self._view.admissible,
            "goal": goal.text,
            "task_id": self._task_id,
            "task_type": goal.product.category,
            "won": self._score == 1.0,
            "score": self._score,
        }
