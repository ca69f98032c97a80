"""Seeds derived from one another, so that a single number reproduces a run."""

from __future__ import annotations

import hashlib


def derive(seed: int, *labels: str | int) -> int:
    """A seed in [0, 2^63) determined by `seed` and the labels; other labels give an unrelated seed."""
    # A separator that does not occur in labels: (1, 23) and (12, 3) must not give the same seed.
    text = "\x1f".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
