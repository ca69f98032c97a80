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
        label: Label of a command whose name after `hiper` is the label's last part; for a server, such as
            `//planner:server`, it is the part before that.
    """
    if installed():
        package, _, name = label.removeprefix("//").partition(":")
        return f"hiper {package if name == 'server' else name}"
    return f"./bazelw run {label} --"


def installation(extra: str, example: str = "") -> str:
    """What installs the packages of an extra such as `otel`, as the second half of a sentence.

    Args:
        extra: Name of the extra, which is also that of a lock.
        example: A command line that needs it.
    """
    if installed():
        return f"pip install '.[{extra}]' in the checkout installs it"
    as_in = f", as in: HIPER_EXTRAS={extra} {example}" if example else ""
    return f"HIPER_EXTRAS={extra} before the command installs it{as_in}"
