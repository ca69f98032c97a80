"""Texts that are safe in a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import one_line, printable


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("On the desk 1, you see a mug 1.", "On the desk 1, you see a mug 1."),
        ("a\nb", "a\nb"),
        ("a\tb\rc\x1b[2Jd\x00", "a b c [2Jd "),
        ("Möbel › Tische ★ 漢", "Möbel › Tische ★ 漢"),
        ("\u202eright to left", " right to left"),
    ],
)
def test_control_characters_become_spaces(text: str, kept: str) -> None:
    assert printable(text) == kept


@pytest.mark.parametrize(
    ("text", "line"), [("", ""), (" a \n\n b\t c ", "a b c"), ("\x1b\x00", ""), ("a\u2028b", "a b")]
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable() and line == one_line(line)
    assert "  " not in line and line == line.strip()
