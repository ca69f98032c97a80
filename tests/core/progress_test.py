"""Progress in a log and on a terminal."""

from __future__ import annotations

import io
import re

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


def test_steps_that_are_far_apart_all_have_a_line():
    log = io.StringIO()
    with progress(Console(file=log), "lessons") as report:
        for share in (0.0, 0.5, 0.5, 0.51, 1.0):
            report(share, "on")
    assert [line.split()[1] for line in log.getvalue().splitlines()] == ["0%,", "50%,", "100%,"]


def test_a_log_has_the_message_as_it_is():
    log = io.StringIO()
    with progress(Console(file=log, width=20), "lessons") as report:
        report(0.0, "a long message about [bold]/some/folder[/bold] and its files")
    assert log.getvalue() == "lessons: 0%, a long message about [bold]/some/folder[/bold] and its files\n"


def test_a_terminal_has_a_bar_with_the_last_message():
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True, width=80), "lessons") as report:
        report(0.25, "first [x]")
        report(1.0, "last [y]")
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "lessons" not in drawn.splitlines()[-1], "the message takes the title's place"
    assert "last [y]" in drawn and "━" in drawn
