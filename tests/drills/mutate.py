"""Damages bytes at random, reproducibly for a seed."""

from __future__ import annotations

from random import Random


def damaged(content: bytes, draw: Random) -> bytes:
    """`content` with one to four faults: a flipped bit, a cut end, a repeated, removed or random stretch."""
    for _ in range(draw.randint(1, 4)):
        begin = draw.randrange(len(content) + 1)
        end = min(len(content), begin + int(draw.expovariate(0.1)))
        kind = draw.randrange(6)
        if kind == 0 and begin < len(content):
            flipped = content[begin] ^ (1 << draw.randrange(8))
            content = content[:begin] + bytes([flipped]) + content[begin + 1 :]
        elif kind == 1:
            content = content[:begin]
        elif kind == 2:
            content = content[:end] + content[begin:]
        elif kind == 3:
            content = content[:begin] + content[end:]
        else:
            content = content[:begin] + draw.randbytes(end - begin) + content[end:]
    return content
