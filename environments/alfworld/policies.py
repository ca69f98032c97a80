"""Scripted players: an expert that knows the walkthrough, one that follows advice, and a random one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from environments.alfworld import subgoals
from environments.alfworld.adviser import advise
from environments.alfworld.rule_policy import RulePolicy
from environments.benchmark import DemonstrationStep, Policy, StepInfo
from environments.errors import UnknownPolicyError

Demonstrations = Callable[[str], tuple[DemonstrationStep, ...]]
"""Function from a task id to the task's demonstration."""


class ExpertPolicy:
    """Replays the demonstration of the task it is given."""

    def __init__(self, demonstrations: Demonstrations) -> None:
        self._demonstrations = demonstrations
        self._left: Iterator[DemonstrationStep] = iter(())

    def begin(self, observation: str, info: StepInfo) -> None:
        self._left = iter(self._demonstrations(info["task_id"]))

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return next(self._left, DemonstrationStep(subgoals.explore(), "look"))


class AdviserPolicy:
    """Follows the advice for the transcript so far, so that it plays well whatever actions came before."""

    def begin(self, observation: str, info: StepInfo) -> None:
        self._observations: list[str] = []

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        self._observations.append(observation)
        advice = advise(info["goal"], self._observations, info["admissible_actions"])
        return DemonstrationStep(advice.subgoal, advice.actions[0])


class RandomPolicy:
    """Draws uniformly from the admissible actions."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def begin(self, observation: str, info: StepInfo) -> None:
        """Nothing to prepare: each turn is independent of the earlier ones."""

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return DemonstrationStep(subgoals.explore(), self._random.choice(info["admissible_actions"]))


def make_policy(name: str, seed: int, demonstrations: Demonstrations) -> Policy:
    """The player `expert`, `rule`, `adviser` or `random`; raises `UnknownPolicyError` for other names."""
    players: dict[str, Callable[[], Policy]] = {
        "expert": lambda: ExpertPolicy(demonstrations),
        "rule": RulePolicy,
        "adviser": AdviserPolicy,
        "random": lambda: RandomPolicy(seed),
    }
    if name not in players:
        raise UnknownPolicyError(name, players)
    return players[name]()
