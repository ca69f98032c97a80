"""Our commands as the user can type them, for messages."""

from __future__ import annotations

import os

INSTALLED = "HIPER_INSTALLED"
"""Environment variable that is set in the processes of a command `hiper` that was installed with pip."""


def installed() -> bool:
    """Whether this process belongs to a command that was installed with pip."""
    return bool(os.environ.get(INSTALLED))


def command(label: str) -> str:
    """The beginning of a command line: `./bazelw run //orchestrator:show --`, or `hiper show` without Bazel.

    Args:
        label: Label of a command whose name after `hiper` is the label's last part.
    """
    if installed():
        return f"hiper {label.rpartition(':')[2]}"
    return f"./bazelw run {label} --"
