"""What replaying a recording of a reference system found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConformanceReport:
    """Counts over all compared answers; a recording conforms when `differences` is 0."""

    steps: int
    """Actions replayed; the answer to each reset is compared too, but is no step."""
    differences: int
    """Answers (of resets and steps) in which any compared field differs."""
    first: str | None
    """The first difference in words: where, which field, recorded and ours."""
