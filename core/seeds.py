"""Seeds that follow from one another, so that a run is decided by one number."""

from __future__ import annotations

import hashlib


def derive(seed: int, *labels: str | int) -> int:
    """A seed in [0, 2^63) that follows from `seed` and the labels; other labels give an unrelated one."""
    text = "\x1f".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
