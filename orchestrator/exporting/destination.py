"""The folder that an export fills."""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigurationError


def check_free(folder: Path) -> None:
    """Checks that nothing would be overwritten.

    Raises:
        ConfigurationError: the folder has contents, or is a file.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: remove it, or choose a new folder with --out")
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; --out takes a new or empty folder")
