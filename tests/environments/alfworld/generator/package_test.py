"""Reading the files of the alfworld package: a copy with changes stands for other versions of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.alfworld.generator.package import Place, package_folder, read_world
from environments.errors import EnvironmentDataError, MissingDependencyError

CONSTANTS = """
import os
MOVABLE_RECEPTACLES = ['Bowl', 'Box']
OPENABLE_CLASS_LIST = ['Fridge', 'Box', 'Drawer']
VAL_RECEPTACLE_OBJECTS = {'Fridge': {'Apple'}, 'Bowl': {'Apple'}}
VAL_RECEPTACLE_OBJECTS['Shelf'] = VAL_RECEPTACLE_OBJECTS['Fridge']
VAL_RECEPTACLE_OBJECTS['Desk'] = {'Book'}
VAL_ACTION_OBJECTS = {'Heatable': {'Apple'}}
VAL_ACTION_OBJECTS[0] = os.environ
FIRST = SECOND = {'never': 'read'}
NAMES = [name for name in VAL_ACTION_OBJECTS]
OTHERS['x'] = 3
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package called alfworld with one room; the installed one is hidden behind it."""
    folder = tmp_path / "alfworld"
    (folder / "gen" / "layouts").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('the package must not be imported')")
    (folder / "gen" / "constants.py").write_text(CONSTANTS)
    (folder / "data" / "alfred.pddl").write_text("the domain")
    (folder / "data" / "alfred.twl2").write_text("the grammar")
    add_room(folder, 12, {"Fridge|+01.00|+00.00|+00.00": [0.5, -0.25, 90.0, 30.0]}, ["Apple", "Fridge"])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "alfworld", raising=False)
    read_world.cache_clear()
    yield folder
    read_world.cache_clear()


def add_room(folder: Path, scene: int, poses: dict[str, list[float]], classes: list[str]) -> None:
    layouts = folder / "gen" / "layouts"
    (layouts / f"FloorPlan{scene}-openable.json").write_text(json.dumps(poses))
    (layouts / f"FloorPlan{scene}-objects.json").write_text(json.dumps(classes))


def test_the_package_is_found_and_not_imported(package: Path) -> None:
    assert package_folder() == package
    assert read_world().domain == "the domain"
    assert read_world().grammar == "the grammar"


def test_tables_are_built_from_literals_and_entries_of_earlier_tables(package: Path) -> None:
    world = read_world()
    assert world.accepts == {
        "Fridge": frozenset({"Apple"}),
        "Shelf": frozenset({"Apple"}),
        "Desk": frozenset({"Book"}),
    }, "objects that hold others are not places"
    assert world.actions == {"Heatable": frozenset({"Apple"})}
    assert world.containers == {"Bowl", "Box"}
    assert world.openable == {"Fridge", "Drawer"}


def test_rooms_are_sorted_by_number_and_basins_are_named_after_their_owner(package: Path) -> None:
    sink = {"Sink|-01.90|+00.97|-01.50|SinkBasin": [-1.0, 0.5, 270.0, 45.0]}
    add_room(package, 3, sink, ["Sink"])
    first, second = read_world().rooms
    assert (first.scene, second.scene) == (3, 12)
    assert first.places == (Place("Sink|-01.90|+00.97|-01.50|SinkBasin", "SinkBasin", (-1.0, 0.5, 270, 45)),)
    assert second.places == (Place("Fridge|+01.00|+00.00|+00.00", "Fridge", (0.5, -0.25, 90, 30)),)
    assert second.classes == {"Apple", "Fridge"}


def test_the_world_is_read_once(package: Path) -> None:
    assert read_world() is read_world()


def test_a_package_of_another_version_is_refused_with_what_it_lacks(package: Path) -> None:
    constants = package / "gen" / "constants.py"
    constants.write_text(CONSTANTS.replace("VAL_ACTION_OBJECTS", "ACTIONS"))
    with pytest.raises(EnvironmentDataError, match="does not define 'VAL_ACTION_OBJECTS': alfworld 0.4"):
        read_world()


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "alfworld", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(MissingDependencyError, match="pip install alfworld, or set ALFWORLD_DATA"):
        package_folder()
