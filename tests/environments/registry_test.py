"""Every environment, the one in the documentation included, by its name."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.errors import UnknownEnvironmentError
from environments.registry import LOADERS, load
from tests.environments.contract import check

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "adding_an_environment.md"
SMALL = GeneratorSettings(games=6, products=40)


def code_blocks() -> list[str]:
    """The Python blocks of the guide: the environment, and the line of the registry."""
    parts = GUIDE.read_text(encoding="utf-8").split("```python\n")
    return [part.partition("```")[0] for part in parts[1:]]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> str:
    """Adds the guide's environment as the guide says: one file, one line."""
    source, line = code_blocks()
    name, _, loader = (part.strip(' ",') for part in line.strip().partition(":"))
    module = types.ModuleType(loader.partition(":")[0])
    exec(compile(source, str(GUIDE), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(LOADERS, name, loader)
    return name


@pytest.mark.parametrize("name", ["alfworld", "webshop"])
def test_an_environment_keeps_its_promises(name: str) -> None:
    check(load(EnvironmentSettings(name=name, source="generated", step_limit=12, generator=SMALL)), 12)


def test_the_environment_of_the_guide_is_one_file_and_one_line(counting: str) -> None:
    benchmark = load(EnvironmentSettings(name=counting, step_limit=12))
    assert benchmark.name == "counting"
    check(benchmark, 12)


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"Did you mean webshop\? Accepted: alfworld, webshop"):
        load(EnvironmentSettings(name="webshp"))
