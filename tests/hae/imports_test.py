"""The package imports numpy, scipy, pydantic and the standard library, and nothing else."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path("pyproject.toml").resolve().parent
FILES = sorted((CHECKOUT / "hae").glob("*.py"))
ALLOWED = {"hae", "numpy", "scipy", "pydantic", *sys.stdlib_module_names}


def imported(source: str) -> Iterator[str]:
    """Top-level packages, those imported inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide what is imported"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_only_the_allowed_packages_are_imported(file: Path) -> None:
    assert set(imported(file.read_text(encoding="utf-8"))) <= ALLOWED


def test_the_files_and_imports_are_found() -> None:
    assert {"__init__.py", "scan.py", "settings.py"} <= {file.name for file in FILES}
    source = "import numpy.linalg as la\ndef f():\n    from torch.nn import Linear"
    assert set(imported(source)) - ALLOWED == {"torch"}
