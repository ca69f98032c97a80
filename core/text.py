"""Makes texts of an environment harmless for a prompt."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with control characters replaced by spaces, except for line breaks."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def one_line(text: str) -> str:
    """`text` without control characters, on one line with single spaces."""
    return " ".join(printable(text).split())
