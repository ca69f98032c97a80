"""Paths relative to the folder where the user typed the command; `bazel run` starts programs elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InvalidInputError


def user_path(text: str | Path) -> Path:
    """The absolute path that `text` means to the user: `~` expanded, relative to where the command was typed.

    `bazel run` names that folder in BUILD_WORKING_DIRECTORY; without it, the current directory counts.

    Raises:
        InvalidInputError: `text` cannot be a path: an unknown home folder, or a zero byte.
    """
    started_in = Path(os.environ.get("BUILD_WORKING_DIRECTORY") or Path.cwd())
    try:
        return (started_in / Path(text).expanduser()).resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInputError(f"{str(text)!r} is not a path: {error}") from error


def cache_folder() -> Path:
    """The folder for files that can be made again, such as indexes: HIPER_CACHE, or ~/.cache/hiper."""
    return user_path(os.environ.get("HIPER_CACHE") or "~/.cache/hiper")
