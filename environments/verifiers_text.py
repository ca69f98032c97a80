"""Environments of the package verifiers, `verifiers:ID`; needs the package.

`ID` is what verifiers calls the id of a taskset: the name of an installed package or module. `#KEY=VALUE`
after it, any number of times, sets a key of the block `env` of verifiers' configuration.
"""

from __future__ import annotations

import atexit
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, get_type_hints

from pydantic import ValidationError

from configuration.environment import EnvironmentSettings
from core import shown
from environments.errors import BrokenEnvironmentError, MissingDependencyError
from environments.gymnasium_text import GymnasiumBenchmark
from environments.own_randomness import OwnRandomness

_FOLD = 5
"""One of so many consecutive tasks belongs to `valid_unseen`; the others belong to `train`."""
_OLDEST = (0, 4)
"""Oldest version of verifiers whose environments are played; before it, they had other classes."""
_SHOWN = 300
"""Number of characters of an error's message that are shown."""


def load(settings: EnvironmentSettings) -> GymnasiumBenchmark:
    """The environment `verifiers:ID#KEY=VALUE`.

    Raises:
        MissingDependencyError: verifiers, or a package of the environment, is not installed.
        BrokenEnvironmentError: verifiers cannot load it, or it is not a conversation of texts with one agent;
            the message says why.
    """
    vf, game = _modules(settings.name)
    name, *options = settings.name.partition(":")[2].split("#")
    with _explained(settings.name), OwnRandomness(settings.seed).used():
        environment = vf.load_environment(vf.resolve_env_config(_block(name, options)))
        tasks = tuple(islice(environment.taskset, _FOLD * settings.generator.games // (_FOLD - 1)))
        reasons = [*_reasons(vf, environment, tasks)]
    if reasons:
        raise BrokenEnvironmentError(f"{settings.name} cannot be played here: {'; '.join(reasons)}")
    if type(environment).start is not vf.Env.start:
        game.in_background(environment.start())
        atexit.register(lambda: game.in_background(environment.stop()))
    held_out = range(_FOLD - 1, len(tasks), _FOLD)
    seeds = {
        "train": [number for number in range(len(tasks)) if number not in held_out],
        "valid_unseen": held_out,
    }
    return GymnasiumBenchmark(
        settings, lambda: game.VerifiersGame(environment, tasks, settings.step_limit), name, seeds
    )


def _modules(name: str) -> tuple[Any, Any]:
    """`verifiers.v1`, and our module that imports it."""
    try:
        import verifiers

        if tuple(int(part) for part in verifiers.__version__.split(".")[:2]) < _OLDEST:
            raise MissingDependencyError(
                f"{name} needs verifiers 0.4.0 or a later version, and {verifiers.__version__} is installed: "
                f"{shown.installation('verifiers')}"
            )
        import verifiers.v1

        from environments import verifiers_game
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{name} needs {error.name}, which is not installed: {shown.installation('verifiers')}"
        ) from error
    return verifiers.v1, verifiers_game


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Says of which environment an error is; loading it runs code from outside, which may raise anything."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            f"{name} cannot be imported: {error.__cause__ or error}; its packages must be installed, or be "
            "in a folder that HIPER_PATH names"
        ) from error
    except Exception as error:
        raise BrokenEnvironmentError(f"verifiers cannot load {name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """An error on one line."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
        )
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_SHOWN]}"


def _block(name: str, options: Sequence[str]) -> dict[str, Any]:
    """The configuration's block `env` with the taskset's id and `KEY=VALUE`, whose keys have dots."""
    block: dict[str, Any] = {"taskset": {"id": name}}
    for option in options:
        key, sign, value = option.partition("=")
        if not sign:
            raise ValueError(f"{option!r} is not KEY=VALUE")
        *parents, last = key.split(".")
        inner = block
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = _value(value)
    return block


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _reasons(vf: Any, environment: Any, tasks: Sequence[Any]) -> Iterator[str]:
    """Why an environment cannot be played as a conversation of texts with one agent."""
    config, taskset = environment.config, environment.taskset
    agents = [name for name in type(config).model_fields if isinstance(getattr(config, name), vf.AgentConfig)]
    if len(agents) != 1:
        yield f"it has {len(agents)} agents ({', '.join(agents)}), but only one is played"
    if not tasks:
        yield "it has no tasks"
        return
    task = tasks[0]  # all are of one class, and share its configuration
    if task.toolsets(task.config) or taskset.toolsets(taskset.config):
        yield "its agent has tools"
    if task.config.judges:
        yield "a language model judges its episodes"
    if task.NEEDS_CONTAINER or any(each.data.image for each in tasks):
        yield "it needs a container"
    if names := [hook.__name__ for hook in _hooks(vf, task) if _needs_sandbox(hook)]:
        yield f"it needs a sandbox (runtime) for {', '.join(names)}"
    if names := [name for name in dir(type(task)) if hasattr(getattr(type(task), name, None), "intercept")]:
        yield f"it changes messages on their way ({', '.join(names)})"
    if names := [stop.__name__ for stop in task.hooks("stop") if _sees_requests(vf, stop)]:
        yield f"it stops at requests to the model, not at the trace ({', '.join(names)})"


def _hooks(vf: Any, task: Any) -> list[Callable[..., Any]]:
    """The functions that verifiers would give a sandbox."""
    own = [name for name in ("setup", "finalize") if getattr(type(task), name) is not getattr(vf.Task, name)]
    return [*(getattr(task, name) for name in own), *task.hooks("reward"), *task.hooks("metric")]


def _needs_sandbox(hook: Callable[..., Any]) -> bool:
    runtime = inspect.signature(hook).parameters.get("runtime")
    return runtime is not None and runtime.default is inspect.Parameter.empty


def _sees_requests(vf: Any, stop: Callable[..., Any]) -> bool:
    return any(kind in (vf.Request, vf.Response) for kind in get_type_hints(stop).values())
