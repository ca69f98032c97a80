"""WebShop, text mode: search, pages, options, purchase and reward as in the reference, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from configuration.environment import EnvironmentSettings
    from environments.webshop.benchmark import WebShop


def load(settings: EnvironmentSettings) -> WebShop:
    """The shop that the settings describe; `EnvironmentDataError` where its data is missing or broken."""
    from environments.webshop import benchmark

    return benchmark.load(settings)
