"""Seeds that follow from one another, so that a run is decided by one number."""

from __future__ import annotations

import hashlib


def derive(seed: int, *labels: str | int) -> int:
    """A seed in [0, 2^63) that follows from `seed` and the labels; other labels give an unrelated one."""
    text = "\x1f".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


_HALF = 32
_MASK = (1 << _HALF) - 1


def with_place(seed: int, place: int) -> int:
    """A seed of 64 bits that holds both: the lower half of `seed`, and a place in the order it stands for."""
    return (seed & _MASK) << _HALF | (place & _MASK)


def seed_and_place(seed: int) -> tuple[int, int]:
    """What `with_place` was given."""
    return seed >> _HALF, seed & _MASK
