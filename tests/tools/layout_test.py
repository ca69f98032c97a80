"""The table of who may import whom, held against the imports of the checkout."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.draw_layout import read_layout

CHECKOUT = Path("pyproject.toml").resolve().parent
_LAYOUT = read_layout((CHECKOUT / "tools/layout.bzl").read_text(encoding="utf-8"))
MAY_IMPORT, ONLY_FROM = _LAYOUT.may_import, _LAYOUT.only_from


def files() -> list[Path]:
    return sorted(path for folder in MAY_IMPORT for path in (CHECKOUT / folder).rglob("*.py"))


def file_of(module: str) -> Path | None:
    path = CHECKOUT / module.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def imports(path: Path) -> Iterator[tuple[int, Path]]:
    """Line and file of each import of ours, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if file_of(name) else node.module for name in names]
        else:
            continue
        for name in names:
            if (found := file_of(name)) and found != path:
                yield node.lineno, found


def forbidden(importer: str, imported: str) -> str | None:
    """Why a file may not import another, both by their paths from the root; None where it may."""
    above, below = importer.partition("/")[0], imported.partition("/")[0]
    if above == below:
        return None
    if below == "tests":
        return "nothing imports tests"
    if below not in MAY_IMPORT[above]:
        return f"{above}/ may import {', '.join(MAY_IMPORT[above]) or 'nothing of ours'}"
    parts = ONLY_FROM.get((above, below))
    if parts and not any(importer.startswith(f"{part}/") for part in parts):
        return f"of {above}/ only {', '.join(parts)} may import {below}/"
    return None


def test_every_import_follows_the_table() -> None:
    for path in files():
        importer = path.relative_to(CHECKOUT).as_posix()
        for line, target in imports(path):
            imported = target.relative_to(CHECKOUT).as_posix()
            reason = forbidden(importer, imported)
            assert reason is None, f"{importer}:{line} imports {imported}: {reason} (tools/layout.bzl)"


def test_no_arrow_of_the_table_runs_upward() -> None:
    order = list(MAY_IMPORT)
    for folder, below in MAY_IMPORT.items():
        assert [name for name in below if order.index(name) >= order.index(folder)] == []


def test_every_folder_with_code_is_in_the_table() -> None:
    folders = {path.parent.name for path in CHECKOUT.glob("*/BUILD")}
    with_code = {folder for folder in folders if any((CHECKOUT / folder).glob("**/*.py"))}
    # docs/ has an example for users to copy.
    assert with_code - {"tests", "docs"} == set(MAY_IMPORT)


def test_no_two_files_import_each_other() -> None:
    """Nor do three: a search through the imports never comes back to a file that it is in."""
    arrows = {path: [target for _, target in imports(path)] for path in files()}
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        if path in trail:
            circle = [p.relative_to(CHECKOUT).as_posix() for p in (*trail[trail.index(path) :], path)]
            pytest.fail(f"a circle of imports: {' -> '.join(circle)}")
        if path not in done:
            for target in arrows.get(path, []):
                visit(target, (*trail, path))
            done.add(path)

    for path in arrows:
        visit(path, ())


@pytest.mark.parametrize(
    ("importer", "imported", "reason"),
    [
        ("core/a.py", "serving/b.py", "core/ may import nothing of ours"),
        ("planner/a.py", "executor/b.py", "planner/ may import"),
        ("learner/service/a.py", "planner/b.py", "only learner/imitation"),
        ("orchestrator/run.py", "learner/server.py", "only orchestrator/evaluation"),
        ("benchmarks/a.py", "tests/b.py", "nothing imports tests"),
    ],
)
def test_an_arrow_against_the_table_is_named(importer: str, imported: str, reason: str) -> None:
    assert reason in (forbidden(importer, imported) or "")


def test_build_visibility_comes_from_the_same_table() -> None:
    for path in CHECKOUT.glob("*/**/BUILD"):
        folder = path.relative_to(CHECKOUT).parts[0]
        if folder in MAY_IMPORT and folder != "tools":
            assert f'importers("{folder}")' in path.read_text(encoding="utf-8"), path
            library_part = path.read_text(encoding="utf-8").split("alias(")[0]
            assert "//visibility:public" not in library_part, path
