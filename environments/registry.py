"""The environments by name. A new environment needs one line here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from configuration.environment import EnvironmentSettings
from environments.errors import UnknownEnvironmentError

if TYPE_CHECKING:
    # It imports gymnasium, which the user's Python that runs //environments/webshop:nouns may lack.
    from environments.benchmark import Benchmark

Loader = Callable[[EnvironmentSettings], "Benchmark"]

LOADERS: dict[str, str] = {
    "alfworld": "environments.alfworld:load",
    "webshop": "environments.webshop:load",
}
"""`module:function` by name, imported only when the environment is used, so that the others cost no time."""


def load(settings: EnvironmentSettings) -> Benchmark:
    """Loads the benchmark that `settings` name, with its data.

    Raises:
        UnknownEnvironmentError: there is no environment of that name.
    """
    try:
        module, _, function = LOADERS[settings.name].partition(":")
    except KeyError:
        raise UnknownEnvironmentError(settings.name, LOADERS) from None
    loader: Loader = getattr(import_module(module), function)
    return loader(settings)
