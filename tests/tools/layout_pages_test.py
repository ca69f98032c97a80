"""The folders as the pages show them: the table of CONTRIBUTING.md, README.md, docs/architecture.svg."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.draw_layout import PICTURE, arrows, draw, levels, read_layout

CHECKOUT = Path("pyproject.toml").resolve().parent
LAYOUT = read_layout((CHECKOUT / "tools/layout.bzl").read_text(encoding="utf-8"))
ROW = re.compile(r"^\| `(\w+)/` \| (.*?) \|$", re.MULTILINE)
FOLDER = re.compile(r"`(\w+)/`")
ONLY = re.compile(r"`(\w+)/` \(only (.*?)\)")


def rows() -> dict[str, str]:
    """The folder and what it may import, from each row of the table."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Folders and imports")[2].partition("\n## ")[0]
    return dict(ROW.findall(section))


def test_the_table_for_contributors_is_that_of_the_build() -> None:
    found = {folder: FOLDER.findall(ONLY.sub(r"`\1/`", text)) for folder, text in rows().items()}
    assert found == LAYOUT.may_import
    assert list(found) == list(LAYOUT.may_import), "lower folders first"


def test_the_narrower_rules_are_in_the_table() -> None:
    found = {
        (folder, below): re.findall(r"`([\w/]+)/`", parts)
        for folder, text in rows().items()
        for below, parts in ONLY.findall(text)
    }
    assert found == LAYOUT.only_from


def test_the_readme_lists_every_folder() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    listed = set(FOLDER.findall(text.partition("## The folders")[2].partition("\n## ")[0]))
    assert set(LAYOUT.may_import) <= listed
    assert [name for name in listed if not (CHECKOUT / name).is_dir()] == []


def test_the_files_on_the_way_of_a_turn_exist() -> None:
    named = re.findall(r"`([\w/]+/\w+\.py)`", (CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [path for path in named if not (CHECKOUT / path).is_file()] == []


def test_the_picture_is_drawn_from_the_table() -> None:
    assert (CHECKOUT / PICTURE).read_text(encoding="utf-8") == draw(LAYOUT), "run //tools:draw_layout"


def test_every_arrow_points_down() -> None:
    rows = levels(LAYOUT)
    assert [(above, below) for above, below in arrows(LAYOUT) if rows[above] <= rows[below]] == []


def test_every_import_is_an_arrow_or_a_way_of_arrows() -> None:
    drawn = set(arrows(LAYOUT))
    reached: dict[str, set[str]] = {}
    for folder in LAYOUT.may_import:
        direct = {below for above, below in drawn if above == folder}
        reached[folder] = direct.union(*(reached[name] for name in direct))
        assert set(LAYOUT.may_import[folder]) <= reached[folder]


def test_a_new_folder_needs_a_box() -> None:
    layout = read_layout('MAY_IMPORT = {"core": [], "new": ["core"]}\nONLY_FROM = {}')
    with pytest.raises(KeyError, match="new"):
        draw(layout)
