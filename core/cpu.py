"""This machine's processor, as Linux describes it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

_DESCRIPTION = Path("/proc/cpuinfo")
_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of processors that multiply in bfloat16, of x86 and ARM."""


def name() -> str:
    """The processor's name, or else its architecture."""
    return _described("model name") or platform.machine()


def multiplies_bfloat16() -> bool:
    """Whether it multiplies in bfloat16; others convert back and forth, which is slower than float32."""
    return bool(flags() & _BFLOAT16)


def flags() -> frozenset[str]:
    """Its features; empty where they are not described."""
    return frozenset(_described("flags|Features").split())


def _described(field: str) -> str:
    text = _DESCRIPTION.read_text(encoding="utf-8", errors="replace") if _DESCRIPTION.exists() else ""
    found = re.search(rf"^(?:{field})[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""
