"""Progress in a log."""

from __future__ import annotations

import io

from rich.console import Console

from core.progress import progress


def test_a_log_gets_a_line_for_each_twentieth_and_no_more():
    log = io.StringIO()
    with progress(Console(file=log), "lessons") as report:
        for step in range(1001):
            report(step / 1000, f"step {step}")
    lines = log.getvalue().splitlines()
    assert lines[:2] == ["lessons: 0%, step 0", "lessons: 5%, step 50"]
    assert len(lines) == 21
