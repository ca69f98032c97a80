"""The file of metrics: whole lines, each update once."""

from __future__ import annotations

from pathlib import Path

from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile


def test_a_cut_off_line_is_left_out_and_dropped(tmp_path: Path) -> None:
    path = RunFolder(tmp_path).metrics
    file = MetricsFile(path)
    for version in (1, 2, 3):
        file.append({"adapter/version": version})
    with path.open("a") as handle:
        handle.write('{"adapter/version": 4, "actor')
    assert [line["adapter/version"] for line in file.lines()] == [1, 2, 3]
    file.rewind(2)
    assert [line["adapter/version"] for line in file.lines()] == [1, 2]
    assert path.read_text().count("\n") == 2
