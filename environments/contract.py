"""What every environment promises, checked by playing it. Says what is wrong, rather than raising."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from environments.benchmark import Benchmark, Policy, StepInfo, Task, TextEnvironment, name_of
from environments.errors import (
    ActionTypeError,
    EpisodeError,
    NoDemonstrationError,
    UnknownPolicyError,
    UnknownSplitError,
    UnknownTaskError,
)
from environments.guarded import info_problems, observation_problems, reward_problems

Problems = Iterator[str]
Limit = Callable[[str], int]
"""The step limit of a task, by its id."""
Promise = Callable[[Benchmark, Limit], Problems]

_STRANGE = ("", "\x00\x1b[2J", "x" * (1 << 20), "go to nowhere 1")
_TASKS = 5
"""Tasks of a split that are played."""


@dataclass(frozen=True)
class Checked:
    """The result of one part of the contract."""

    promise: str
    problems: tuple[str, ...]


def check(
    benchmark: Benchmark, step_limit: int, own_step_limits: Mapping[str, int] | None = None
) -> tuple[Checked, ...]:
    """Checks every promise.

    Args:
        benchmark: Benchmark to play.
        step_limit: Step limit that it was loaded with.
        own_step_limits: Step limits of those environments of a mix that have another, by name.
    """

    def limit(task_id: str) -> int:
        return (own_step_limits or {}).get(name_of(benchmark, task_id), step_limit)

    parts: tuple[tuple[str, Promise], ...] = (
        ("tasks are sorted, and their ids unique", _tasks),
        ("reset names the task, and info has its fields", _reset),
        ("the same seed starts the same episode", _seeds),
        ("demonstrations end their episodes", _demonstrations),
        ("every text is answered", _any_text),
        ("the step limit truncates", _step_limit),
        ("nothing follows the end of an episode", _nothing_follows_the_end),
        ("a snapshot and its original do not affect each other", _snapshots),
        ("the scripted players play to the end", _players),
        ("unknown names are refused", _unknown_names),
    )
    return tuple(Checked(promise, _found(part, benchmark, limit)) for promise, part in parts)


def _found(part: Promise, benchmark: Benchmark, limit: Limit) -> tuple[str, ...]:
    found: list[str] = []
    try:
        found.extend(part(benchmark, limit))
    except Exception as error:  # An environment of somebody else may raise anything.
        found.append(f"raised {type(error).__name__}: {error}")
    return tuple(found)


def _some_tasks(benchmark: Benchmark) -> tuple[Task, ...]:
    return benchmark.tasks(benchmark.splits[0])[:_TASKS]


def _started(benchmark: Benchmark) -> TextEnvironment:
    environment = benchmark.environment()
    environment.reset(options={"task": _some_tasks(benchmark)[0].id})
    return environment


def _tasks(benchmark: Benchmark, _: Limit) -> Problems:
    if not benchmark.splits:
        yield "there are no splits"
    ids = [task.id for split in benchmark.splits for task in benchmark.tasks(split)]
    if not ids:
        yield "there are no tasks"
    if len(set(ids)) < len(ids):
        yield f"{len(ids) - len(set(ids))} task ids occur more than once"
    for split in benchmark.splits:
        tasks = benchmark.tasks(split)
        if list(tasks) != sorted(tasks):
            yield f"the tasks of {split} are not sorted"
        if any(task.split != split for task in tasks):
            yield f"tasks of {split} name another split"


def _reset(benchmark: Benchmark, _: Limit) -> Problems:
    environment = benchmark.environment()
    for task in _some_tasks(benchmark):
        observation, info = environment.reset(options={"task": task.id})
        for problem in (*observation_problems(observation), *info_problems(info)):
            yield f"{task.id}: {problem}"
        if not observation:
            yield f"{task.id}: the first observation is empty"
        if (info["task_id"], info["task_type"], info["won"]) != (task.id, task.type, False):
            yield f"{task.id}: info says {info['task_id']}, {info['task_type']}, won {info['won']}"


def _seeds(benchmark: Benchmark, _: Limit) -> Problems:
    first, second = benchmark.environment(), benchmark.environment()
    if first.reset(seed=7) != second.reset(seed=7):
        yield "reset(seed=7) starts another episode in another environment"


def _demonstrations(benchmark: Benchmark, _: Limit) -> Problems:
    environment = benchmark.environment()
    for task in _some_tasks(benchmark):
        try:
            steps = benchmark.demonstration(task)
        except NoDemonstrationError:
            return
        environment.reset(options={"task": task.id})
        over = False
        for number, step in enumerate(steps):
            where = f"{task.id}, step {number}"
            if over:
                yield f"{where}: the episode is over, but the demonstration is not"
                break
            if not step.subgoal:
                yield f"{where}: the demonstration has no subgoal"
            observation, reward, terminated, truncated, info = environment.step(step.action)
            found = (*observation_problems(observation), *reward_problems(reward), *info_problems(info))
            yield from (f"{where}: {problem}" for problem in found)
            over = terminated or truncated
            if truncated:
                yield f"{where}: the demonstration is cut off"
        if not over:
            yield f"{task.id}: the demonstration does not end the episode"


def _any_text(benchmark: Benchmark, _: Limit) -> Problems:
    environment = _started(benchmark)
    for action in _STRANGE:
        observation, reward, terminated, truncated, info = environment.step(action)
        shown = repr(action[:20])
        found = (*observation_problems(observation), *reward_problems(reward), *info_problems(info))
        yield from (f"after {shown}: {problem}" for problem in found)
        if terminated or truncated:
            environment = _started(benchmark)
    twin = environment.snapshot()
    try:
        environment.step(7)  # type: ignore[arg-type]
    except ActionTypeError:
        if environment.step("") != twin.step(""):
            yield "step(7), which is refused, changes the episode"
        return
    yield "step(7) does not raise ActionTypeError"


def _ignored(benchmark: Benchmark) -> str | None:
    """A text that does not end an episode within a few steps; None if there is none."""
    for action in ("dance", ""):
        environment = _started(benchmark)
        if not any(any(environment.step(action)[2:4]) for _ in range(2)):
            return action
    return None


def _step_limit(benchmark: Benchmark, limit: Limit) -> Problems:
    action = _ignored(benchmark)
    if action is None:
        return
    environment, step_limit = _started(benchmark), limit(_some_tasks(benchmark)[0].id)
    for number in range(1, step_limit + 1):
        _, _, terminated, truncated, _ = environment.step(action)
        if terminated and truncated:
            yield f"step {number}: both terminated and truncated"
        if terminated:
            return
        if truncated != (number == step_limit):
            yield f"step {number} of {step_limit}: truncated is {truncated}"
            return


def _whole_episode(benchmark: Benchmark, limit: Limit) -> list[str]:
    """The actions of an episode of the first task: the demonstration's, otherwise random ones."""
    task = _some_tasks(benchmark)[0]
    try:
        return [step.action for step in benchmark.demonstration(task)]
    except NoDemonstrationError:
        player, environment = benchmark.policy("random", seed=0), benchmark.environment()
    observation, info = environment.reset(options={"task": task.id})
    player.begin(observation, info)
    actions = []
    for _ in range(limit(task.id)):
        actions.append(player.act(observation, info).action)
        observation, _, terminated, truncated, info = environment.step(actions[-1])
        if terminated or truncated:
            break
    return actions


def _nothing_follows_the_end(benchmark: Benchmark, limit: Limit) -> Problems:
    if not _refuses(benchmark.environment()):
        yield "step before the first reset does not raise EpisodeError"
    endings = {"played": _whole_episode(benchmark, limit)}
    if (ignored := _ignored(benchmark)) is not None:
        endings["cut off"] = [ignored] * limit(_some_tasks(benchmark)[0].id)
    for how, actions in endings.items():
        environment = _started(benchmark)
        for action in actions:
            if any(environment.step(action)[2:4]):
                break
        if not _refuses(environment):
            yield f"step after the end of an episode that was {how} does not raise EpisodeError"
        environment.reset(options={"task": _some_tasks(benchmark)[0].id})
        if _refuses(environment):
            yield "step is refused after another reset"


def _refuses(environment: TextEnvironment) -> bool:
    try:
        environment.step("dance")
    except EpisodeError:
        return True
    return False


def _snapshots(benchmark: Benchmark, limit: Limit) -> Problems:
    first, *others = _whole_episode(benchmark, limit)
    environment = _started(benchmark)
    if any(environment.step(first)[2:4]):
        return
    twin = environment.snapshot()
    if [twin.step(action) for action in others] != [environment.step(action) for action in others]:
        yield "a snapshot and its original answer the same actions differently"


def _players(benchmark: Benchmark, limit: Limit) -> Problems:
    players = 0
    for name in ("expert", "rule", "random"):
        try:
            environment, player = benchmark.environment(), benchmark.policy(name, seed=0)
        except UnknownPolicyError:
            continue
        players += 1
        observation, info = environment.reset(seed=1)
        player.begin(observation, info)
        yield from (
            f"{name}: {problem}"
            for problem in _played(environment, player, observation, info, limit(info["task_id"]))
        )
    if not players:
        yield "there is none of expert, rule and random, so that results have nothing beside them"


def _played(
    environment: TextEnvironment, player: Policy, observation: str, info: StepInfo, step_limit: int
) -> Problems:
    for number in range(step_limit):
        step = player.act(observation, info)
        if not step.subgoal:
            yield f"step {number}: there is no subgoal"
        observation, _, terminated, truncated, info = environment.step(step.action)
        if terminated and truncated:
            yield f"step {number}: both terminated and truncated"
        if terminated or truncated:
            return
    yield f"the episode has not ended after {step_limit} steps"


def _unknown_names(benchmark: Benchmark, _: Limit) -> Problems:
    refusals: tuple[tuple[str, type[Exception], Callable[[], object]], ...] = (
        ("split", UnknownSplitError, lambda: benchmark.tasks("no such split")),
        ("player", UnknownPolicyError, lambda: benchmark.policy("no such player", 0)),
        (
            "task",
            UnknownTaskError,
            lambda: benchmark.environment().reset(options={"task": "no such task"}),
        ),
    )
    for what, kind, attempt in refusals:
        try:
            attempt()
        except kind:
            continue
        yield f"an unknown {what} does not raise {kind.__name__}"
