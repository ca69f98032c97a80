"""Packages that are only there with HIPER_EXTRAS."""

from __future__ import annotations

import importlib.util
import os

import pytest


def need(package: str, extra: str) -> None:
    """Skips the calling test if the package is missing; fails it if HIPER_EXTRAS asked for it.

    Args:
        package: Name to import.
        extra: The lock that has it, as HIPER_EXTRAS names it.
    """
    if _is_installed(package):
        return
    reason = f"{package} is not installed: HIPER_EXTRAS={extra} ./bazelw test //... installs it"
    if extra in os.environ.get("HIPER_EXTRAS", "").split(","):
        pytest.fail(reason)
    pytest.skip(reason)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of a package that it would be in
        return False
