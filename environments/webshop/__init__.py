"""WebShop as text, without a server: search, pages, options, purchase and reward.

All of these are exactly as in "the reference", the environment of WebShop's authors (princeton-nlp/WebShop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from configuration.environment import EnvironmentSettings
    from environments.webshop.benchmark import WebShop


def load(settings: EnvironmentSettings) -> WebShop:
    """The shop that the settings describe; raises `EnvironmentDataError` if its data is missing or broken."""
    from environments.webshop import benchmark

    return benchmark.load(settings)
