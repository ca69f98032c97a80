"""Names that are spelled once: of metrics, and of the files in a run's folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from run_folder import metric_names
from run_folder.folder import RunFolder

CHECKOUT = Path("pyproject.toml").resolve().parent
FOLDERS = ("core", "serving", "play", "run_folder", "learner", "orchestrator", "studies", "benchmarks")
METRICS = {value for name, value in vars(metric_names).items() if name.isupper() and "/" in value}
FAMILIES = {name.partition("/")[0] for name in METRICS} | {"actor", "critic", "hae", "values", "targets"}
FILES = {
    path.name
    for name, member in vars(RunFolder).items()
    if isinstance(member, property)
    and isinstance(path := getattr(RunFolder(Path("run")), name), Path)
    and path.suffix
}


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string, and of each part of an f-string; docstrings are left out."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def spells_a_metric(text: str) -> bool:
    """Whether a text is a metric's name, or the beginning of one that an f-string completes."""
    return bool(re.fullmatch(r"[a-z_]+/([a-z_]{2,}/?)*", text)) and text.partition("/")[0] in FAMILIES


def spells_a_file(text: str) -> bool:
    return any(name in text for name in FILES)


def sources(owner: str) -> Iterator[tuple[str, str]]:
    """Path and text of every source file but the owner of the names."""
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            name = path.relative_to(CHECKOUT).as_posix()
            if name != owner:
                yield name, path.read_text(encoding="utf-8")


def test_metrics_are_named_in_one_file() -> None:
    for path, source in sources("run_folder/metric_names.py"):
        for line, text in texts(source):
            assert not spells_a_metric(text), f"{path}:{line}: {text!r} belongs to run_folder/metric_names.py"


def test_files_of_a_run_are_named_in_one_file() -> None:
    names = {
        "configuration.toml",
        "episodes.sqlite",
        "metrics.jsonl",
        "ends.jsonl",
        "learner.lock",
        "report.html",
    }
    assert names == FILES
    for path, source in sources("run_folder/folder.py"):
        for line, text in texts(source):
            assert not spells_a_file(text), f"{path}:{line}: {text!r} belongs to run_folder/folder.py"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Of critic/loss."""', False),
        ('line["critic/loss"]', True),
        ('f"actor/{role}/loss"', True),
        ('f"timing_s/{part}"', True),
        ('f"{won}/{played}"', False),
        ('open("critic/loss.txt")', False),
        ('"evaluation/"', False),
    ],
)
def test_what_spells_a_metric(source: str, found: bool) -> None:
    assert any(spells_a_metric(text) for _, text in texts(source)) == found


def test_no_name_has_two_meanings() -> None:
    constants = [v for n, v in vars(metric_names).items() if n.isupper() and isinstance(v, str)]
    assert len(constants) == len(set(constants))
