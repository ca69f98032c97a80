"""The environments by name. Another one is one line here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from configuration.environment import EnvironmentSettings
from environments.benchmark import Benchmark
from environments.errors import UnknownEnvironmentError

Loader = Callable[[EnvironmentSettings], Benchmark]

LOADERS: dict[str, str] = {
    "alfworld": "environments.alfworld:load",
    "webshop": "environments.webshop:load",
}
"""Name to `module:function`, imported when it is asked for, so that nobody pays for what is not played."""


def load(settings: EnvironmentSettings) -> Benchmark:
    """The benchmark that `settings` name, its data read; `UnknownEnvironmentError` for a strange name."""
    try:
        module, _, function = LOADERS[settings.name].partition(":")
    except KeyError:
        raise UnknownEnvironmentError(settings.name, LOADERS) from None
    loader: Loader = getattr(import_module(module), function)
    return loader(settings)
