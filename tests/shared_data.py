"""Where tests find the data that is too large or not ours to keep in the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def data_folder() -> Path:
    """$HIPER_DATA, else the folder `shared` beside the checkout; whether it exists or not."""
    named = os.environ.get("HIPER_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared"


def shared(name: str) -> Path:
    """Path of a file or folder in the data folder, such as `hae/cases.json`.

    Skips the test where it is missing, or fails it where HIPER_REQUIRE_DATA is set, as it is in CI.
    """
    path = data_folder() / name
    if not path.exists():
        reason = f"{path} is missing; HIPER_DATA names the folder that holds {name}"
        if os.environ.get("HIPER_REQUIRE_DATA"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return path
