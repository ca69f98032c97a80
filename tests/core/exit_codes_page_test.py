"""The page about exit codes has the table of the code."""

from __future__ import annotations

import re
from pathlib import Path

from core.exit_codes import EXIT_CODES, FAILED, REFUSED, of_signal

CHECKOUT = Path("pyproject.toml").resolve().parent
PAGE = (CHECKOUT / "docs/exit_codes.md").read_text(encoding="utf-8")


def test_the_errors_of_the_page_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (\d+) \|$", PAGE, re.MULTILINE)
    owned = [
        (kind.__name__, " ".join((kind.__doc__ or "").split()), str(code))
        for kind, code in EXIT_CODES.items()
    ]
    assert rows == owned


def test_every_code_is_explained() -> None:
    codes = re.findall(r"^\| (\d+) \| \S", PAGE, re.MULTILINE)
    assert [int(code) for code in codes] == [0, FAILED, REFUSED, *map(of_signal, (2, 13, 15))]
