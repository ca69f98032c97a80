"""Every environment by its name: ours, a package's, a module's, and gymnasium's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark
from environments.contract import check
from environments.errors import BrokenEnvironmentError, MissingDependencyError, UnknownEnvironmentError
from environments.evaluation import evaluate
from environments.registry import load

TEMPLATE = Path(__file__).resolve().parents[2] / "docs" / "template_environment"
SMALL = GeneratorSettings(games=6, products=40)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder where the command is typed; what is imported from there is forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(tmp_path), str(TEMPLATE))):
            del sys.modules[name]


def loaded(name: str, step_limit: int = 12) -> Benchmark:
    return load(EnvironmentSettings(name=name, source="generated", step_limit=step_limit, generator=SMALL))


@pytest.mark.parametrize("name", ["alfworld", "webshop"])
def test_an_environment_keeps_its_promises(name: str) -> None:
    assert [result for result in check(loaded(name), 12) if result.problems] == []


def test_the_template_is_played_from_where_the_command_is_typed(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(TEMPLATE))
    benchmark = loaded("hiper_counting:load")
    assert [result for result in check(benchmark, 12) if result.problems] == []
    assert all(outcome.won for outcome in evaluate(benchmark, benchmark.policy("expert", 0), "train"))


def test_a_package_in_a_folder_of_hiper_path_names_its_environment(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `pip install --target packages docs/template_environment` makes; pip itself would take seconds.
    packages = modules / "packages"
    shutil.copytree(TEMPLATE / "hiper_counting", packages / "hiper_counting")
    metadata = packages / "hiper_counting-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hiper-counting\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[hiper.environments]\ncounting = hiper_counting:load\n")
    monkeypatch.setenv("HIPER_PATH", "packages")
    assert loaded("counting").name == "counting"
    with pytest.raises(UnknownEnvironmentError, match="Did you mean counting"):
        loaded("countin")


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"Did you mean webshop\? Accepted: alfworld, webshop"):
        loaded("webshp")


@pytest.mark.parametrize(
    ("source", "name", "error", "message"),
    [
        (None, "nowhere.at_all:load", MissingDependencyError, "no module nowhere.at_all: .*HIPER_PATH"),
        (
            "import torchh",
            "mine:load",
            MissingDependencyError,
            "mine needs the package torchh.*pip install torchh",
        ),
        ("x = 1", "mine:load", BrokenEnvironmentError, "mine has no function 'load'"),
        (
            "load = lambda settings: 7",
            "mine:load",
            BrokenEnvironmentError,
            "returned a int without name, splits",
        ),
        (None, ":load", BrokenEnvironmentError, "names no module"),
    ],
)
def test_what_cannot_be_loaded_is_said(
    modules: Path, source: str | None, name: str, error: type[Exception], message: str
) -> None:
    if source is not None:
        (modules / "mine.py").write_text(source)
    with pytest.raises(error, match=message):
        loaded(name)
