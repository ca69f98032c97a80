"""The result of replaying a recording of a reference implementation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConformanceReport:
    """Counts over all compared answers; our engine conforms when `differences` is 0."""

    steps: int
    """Number of actions replayed; the answers to resets are compared too, but not counted here."""
    differences: int
    """Number of answers, to resets and steps, in which any compared field differs."""
    first: str | None
    """First difference in words: where, in which field, the recorded value and ours."""
