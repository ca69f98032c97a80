"""Text of an environment made harmless for a prompt."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with a space for each control character, line breaks kept."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def one_line(text: str) -> str:
    """`text` without control characters, in one line with single spaces."""
    return " ".join(printable(text).split())
