"""The file of metrics: whole lines, each update once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import CorruptDataError
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile


def versions(file: MetricsFile) -> list[float]:
    return [line["adapter/version"] for line in file.lines()]


def test_a_cut_off_line_is_left_out_and_dropped(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).metrics
    file = MetricsFile(path)
    for version in (1, 2, 3):
        file.append({"adapter/version": version})
    with path.open("a") as handle:
        handle.write('{"adapter/version": 4, "actor')
    assert versions(file) == [1, 2, 3]
    file.rewind(2)
    assert versions(file) == [1, 2]
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize("name", ["metrics", "ends"])
def test_a_line_that_ends_anywhere_swallows_no_other(tmp_path: Path, name: str) -> None:
    path: Path = getattr(RunFolder(tmp_path), name)
    first, second = ({"adapter/version": version, "timing_s/step": 1.5} for version in (1, 2))
    whole = json.dumps(first) + "\n" + json.dumps(second) + "\n"
    for length in range(len(whole) + 1):
        path.write_text(whole[:length])
        kept = versions(file := MetricsFile(path))
        assert kept == [1, 2][: len(kept)] and len(kept) >= whole[:length].count("\n")
        file.append({"adapter/version": 3})
        assert versions(file) == [*kept, 3]
        assert len(path.read_text().splitlines()) == len(kept) + 1


@pytest.mark.parametrize(
    "damaged",
    [b"", b"no JSON", b"\xff\xfe", b"[1]", b"{}", b'{"adapter/version": "1"}', b"[" * 100_000],
    ids=["empty", "text", "bytes", "a list", "no version", "a text for a number", "nested"],
)
def test_a_line_in_the_middle_that_holds_no_metrics_is_named(tmp_path: Path, damaged: bytes) -> None:
    path = RunFolder(tmp_path).metrics
    path.write_bytes(b'{"adapter/version": 1}\n' + damaged + b'\n{"adapter/version": 2}\n')
    for read in (MetricsFile(path).lines, lambda: MetricsFile(path).rewind(2)):
        with pytest.raises(CorruptDataError, match=r"metrics\.jsonl was changed or damaged: line 2"):
            read()
    assert damaged in path.read_bytes()
