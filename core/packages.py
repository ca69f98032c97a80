"""Packages that only some commands need, and that an extra lock installs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from core import shown
from core.errors import ConfigurationError


def need(packages: Iterable[str], what: str, extra: str, command: str) -> None:
    """Checks that packages can be imported.

    Args:
        packages: Names to import.
        what: What needs which package, such as `--run.trace URL needs OpenTelemetry`, for the message.
        extra: Lock that has them, as HIPER_EXTRAS names it, and extra of the wheel.
        command: Example of a command that needs them.

    Raises:
        ConfigurationError: one is missing; the message has the command that installs it.
    """
    if all(map(_is_installed, packages)):
        return
    raise ConfigurationError(f"{what}, which is not installed: {shown.installation(extra, command)}")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # raised for a package that it would be in
        return False
