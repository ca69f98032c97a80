"""Playing every task of a split once with a scripted player."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from environments.benchmark import Benchmark, Policy, Task, TextEnvironment


@dataclass(frozen=True)
class Outcome:
    """How one episode ended."""

    task: Task
    won: bool
    score: float
    """In [0, 1]."""
    steps: int


def play_episode(environment: TextEnvironment, policy: Policy, task: Task) -> Outcome:
    """Plays the task until it is won, lost, or cut off at the step limit."""
    observation, info = environment.reset(options={"task": task.id})
    policy.begin(observation, info)
    steps, over = 0, False
    while not over:
        action = policy.act(observation, info).action
        observation, _, terminated, truncated, info = environment.step(action)
        steps, over = steps + 1, terminated or truncated
    return Outcome(task, info["won"], info["score"], steps)


def evaluate(
    benchmark: Benchmark, policy: Policy, split: str, done: Callable[[], object] = lambda: None
) -> list[Outcome]:
    """The outcome of each task, in the order of the tasks; `done` is called after each."""
    environment = benchmark.environment()
    outcomes = []
    for task in benchmark.tasks(split):
        outcomes.append(play_episode(environment, policy, task))
        done()
    environment.close()
    return outcomes


def by_type(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes grouped by task type, sorted by its name."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.task.type].append(outcome)
    return dict(sorted(groups.items()))
