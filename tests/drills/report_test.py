"""The written table of the drills."""

from __future__ import annotations

from pathlib import Path

from tests.drills import report
from tests.drills.drill import Row


def test_the_table_has_a_line_for_each_drill_whatever_its_note_holds(tmp_path: Path) -> None:
    rows = [Row("network, cut", 2000, 1999, 1, note="a | b\nc"), Row("soak", 3, 3)]
    path = tmp_path / "results" / "drills.md"
    report.write(path, rows, "all -- --seed 4", seed=4, seconds=90)
    lines = path.read_text().splitlines()
    assert lines[-2:] == [
        "| network, cut | 2,000 | 1,999 | 1 | 0 | a \\| b c |",
        "| soak | 3 | 3 | 0 | 0 |  |",
    ]
    assert "    all -- --seed 4" in lines
    assert any(line.startswith("Seed 4, 2 minutes on ") and "cores" in line for line in lines)
