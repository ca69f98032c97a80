"""What is read of the processor's description."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from core import cpu

X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu avx2 avx512_bf16 \nmodel name\t: B\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd bf16\nCPU part\t: 0xd4f\n"
OLD = "model name :\nflags : sse2 bf16_not\n"


@pytest.mark.parametrize(
    ("text", "name", "bfloat16"),
    [
        (X86, "AMD EPYC 9R14", True),
        (ARM, platform.machine(), True),
        (OLD, platform.machine(), False),
        (None, platform.machine(), False),
    ],
)
def test_name_and_number_format(
    text: str | None, name: str, bfloat16: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(cpu, "_DESCRIPTION", path)
    assert cpu.name() == name
    assert cpu.multiplies_bfloat16() is bfloat16
