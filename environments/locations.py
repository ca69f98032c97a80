"""Where to look for a benchmark's files."""

from __future__ import annotations

import os
from pathlib import Path

from core.paths import user_path


def data_path(given: Path | None, variable: str) -> Path | None:
    """The given path, or the one in the environment variable `variable`, or None."""
    if given is not None:
        return user_path(given)
    named = os.environ.get(variable)
    return user_path(named) if named else None


def shared_data_path(given: Path | None, variable: str, name: str) -> Path | None:
    """The result of `data_path`, or else the folder `name` in HIPER_DATA or in ../shared, or None."""
    if (path := data_path(given, variable)) is not None:
        return path
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd())
    roots = [workspace.parent / "shared"]
    if shared := os.environ.get("HIPER_DATA"):
        roots.insert(0, user_path(shared))
    return next((root / name for root in roots if (root / name).exists()), None)
