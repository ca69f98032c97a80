"""The environments by name: those of this repository, of installed packages, and of any Python module."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from configuration.environment import EnvironmentSettings
from core.paths import user_path
from environments.errors import (
    BrokenEnvironmentError,
    EnvironmentDataError,
    MissingDependencyError,
    UnknownEnvironmentError,
)

if TYPE_CHECKING:
    # It imports gymnasium, which the user's Python that runs //environments/webshop:nouns may lack.
    from environments.benchmark import Benchmark

Loader = Callable[[EnvironmentSettings], "Benchmark"]

LOADERS: dict[str, str] = {
    "alfworld": "environments.alfworld:load",
    "webshop": "environments.webshop:load",
}
"""`module:function` by name, imported only when the environment is used, so that the others cost no time."""

FAMILIES: dict[str, str] = {
    "gymnasium": "environments.gymnasium_text:load",
    "textarena": "environments.textarena_text:load",
    "openenv": "environments.openenv_text:load",
    "verifiers": "environments.verifiers_text:load",
}
"""`module:function` by the word before the colon in names such as `gymnasium:Game-v0`."""

GROUP = "hiper.environments"
"""The group of entry points in which installed packages name their environments."""

PATH_VARIABLE = "HIPER_PATH"
"""The environment variable with further folders of packages, separated as in PATH."""

_NEEDED = ("name", "splits", "telling", "tasks", "environment", "demonstration", "policy")


def installed() -> Mapping[str, EntryPoint]:
    """The environments of installed packages, by name."""
    _look_in_the_user_s_folders()
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load(settings: EnvironmentSettings) -> Benchmark:
    """Loads the benchmark that `settings` name, with its data.

    The name is one of `LOADERS`, an entry point of `GROUP`, a name of one of the `FAMILIES`, or
    `package.module:function`. Packages and modules are also looked for in the folders of HIPER_PATH, and
    where the command was typed. With a mix, each of its environments is loaded.

    Raises:
        UnknownEnvironmentError: there is no environment of that name.
        EnvironmentDataError: a mix is given the data of a single environment.
        MissingDependencyError: its module cannot be found.
        BrokenEnvironmentError: the module has no such function, or the function gives something else than a
            benchmark; says what is missing.
    """
    if settings.mix:
        return _mixed(settings)
    if settings.name in LOADERS:
        return _imported(LOADERS[settings.name])(settings)
    return _guarded(settings.name, _loader(settings.name)(settings))


def _mixed(settings: EnvironmentSettings) -> Benchmark:
    from environments.mixed import MixedBenchmark

    if settings.data is not None:
        raise EnvironmentDataError(
            "environment.data names the files of one environment; with environment.mix, the variables "
            "ALFWORLD_DATA and WEBSHOP_DATA name those of each"
        )
    return MixedBenchmark({name: load(settings.part(name)) for name in settings.shares}, settings.shares)


def _guarded(name: str, benchmark: Benchmark) -> Benchmark:
    from environments.guarded import GuardedBenchmark

    if missing := [name for name in _NEEDED if not hasattr(benchmark, name)]:
        raise BrokenEnvironmentError(
            f"environment {name!r}: the loader returned a {type(benchmark).__name__} without "
            f"{', '.join(missing)}; environments/benchmark.py says what a Benchmark has"
        )
    return GuardedBenchmark(benchmark)


def _loader(name: str) -> Loader:
    packages = installed()
    if name in packages:
        return _imported(packages[name].value)
    family, colon, _ = name.partition(":")
    if family in FAMILIES:
        return _imported(FAMILIES[family])
    if colon:
        return _imported(name)
    raise UnknownEnvironmentError(name, [*LOADERS, *packages])


def _imported(target: str) -> Loader:
    module, _, function = target.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise MissingDependencyError(
                f"{module} needs the package {error.name}, which is not installed: pip install {error.name}"
            ) from error
        raise MissingDependencyError(
            f"there is no module {module}: it must stand where the command is typed, or in a folder that "
            f"{PATH_VARIABLE} names"
        ) from error
    except ValueError as error:
        raise BrokenEnvironmentError(
            f"{target!r} names no module: package.module:function is accepted"
        ) from error
    loader = getattr(found, function, None)
    if not callable(loader):
        raise BrokenEnvironmentError(
            f"{module} has no function {function!r}, which should load the environment"
        )
    checked: Loader = loader
    return checked


def _look_in_the_user_s_folders() -> None:
    # Bazel's programs ignore PYTHONPATH, so that packages of other projects cannot hide ours.
    for part in (*os.environ.get(PATH_VARIABLE, "").split(os.pathsep), "."):
        if part and (folder := str(user_path(part))) not in sys.path:
            sys.path.append(folder)
