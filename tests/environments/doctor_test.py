"""What the doctor finds, and what it says about what it does not find."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from environments.doctor import alfworld_data, alfworld_package, webshop_data
from environments.webshop.files import PUBLISHED

GAME = "pick_and_place_simple-Mug-None-Desk-308"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without data; `shared` beside it is where data would be looked for."""
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA", "HIPER_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "checkout"))
    return tmp_path


def games(tree: Path, **counts: int) -> Path:
    for split, count in counts.items():
        for number in range(count):
            folder = tree / split / GAME / f"trial_{number}"
            folder.mkdir(parents=True)
            (folder / "game.tw-pddl").write_text("{}")
    return tree


def test_without_data_it_says_where_it_looked_and_how_to_get_it() -> None:
    (games_finding,) = alfworld_data()
    for finding, variable, command in (
        (games_finding, "ALFWORLD_DATA", "alfworld-download"),
        (webshop_data(), "WEBSHOP_DATA", PUBLISHED["small"][0].command),
    ):
        assert not finding.fine
        assert finding.lines[0] == f"not in {variable}, HIPER_DATA or ../shared"
        assert any(command in line for line in finding.lines)


def test_games_are_counted_against_the_release(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = games(workspace / "games", train=3, valid_train=1)
    monkeypatch.setenv("ALFWORLD_DATA", str(tree))
    (finding,) = alfworld_data()
    assert not finding.fine, "the release has more"
    assert finding.lines[:3] == (f"in {tree}", "train: 3 games of 3553", "valid_train: 1 games")
    assert any("alfworld-download" in line for line in finding.lines)


def test_a_whole_release_is_fine(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environments.doctor.RELEASED", {"train": 2, "valid_seen": 1})
    monkeypatch.setenv("ALFWORLD_DATA", str(games(workspace / "games", train=2, valid_seen=1)))
    (finding,) = alfworld_data()
    assert finding.fine
    assert finding.lines[1:] == ("train: 2 games of 2", "valid_seen: 1 games of 1")


def test_games_beside_the_workspace_are_not_trained_on_unless_named(workspace: Path) -> None:
    games(workspace / "shared" / "alfworld", train=1)
    (finding,) = alfworld_data()
    assert finding.lines[0] == (
        f"in {workspace / 'shared' / 'alfworld'} (used by the conformance command; set ALFWORLD_DATA to "
        "train on it)"
    )


def test_a_folder_without_games_is_shown_with_the_reason(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "empty").mkdir()
    monkeypatch.setenv("ALFWORLD_DATA", str(workspace / "empty"))
    (finding,) = alfworld_data()
    assert not finding.fine and "expected the folders train, valid_seen" in finding.lines[0]


def test_a_shop_is_listed_file_by_file(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = workspace / "shop"
    (shop / "golden").mkdir(parents=True)
    for name, size in (
        ("items_shuffle_1000.json", 1234),
        ("items_ins_v2_1000.json", 10),
        ("golden/title_nouns.json", 7),
    ):
        (shop / name).write_text("x" * size)
    monkeypatch.setenv("WEBSHOP_DATA", str(shop))
    finding = webshop_data()
    assert finding.fine
    assert finding.lines == (
        f"the small setting in {shop}",
        "items_shuffle_1000.json: 1,234 bytes",
        "items_ins_v2_1000.json: 10 bytes",
        "golden/title_nouns.json: 7 bytes",
    )


def test_a_shop_with_a_file_missing_names_the_command(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "items_shuffle.json").write_text("[]")
    (workspace / "title_nouns.json").write_text("{}")
    monkeypatch.setenv("WEBSHOP_DATA", str(workspace))
    finding = webshop_data()
    assert not finding.fine
    assert finding.lines[0] == f"the full setting in {workspace}"
    assert finding.lines[-1] == f"missing: items_ins_v2.json: {PUBLISHED['full'][1].command}"


def test_a_shop_that_is_not_there_is_shown_with_every_download(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBSHOP_DATA", str(workspace / "nowhere"))
    finding = webshop_data()
    assert not finding.fine and "nowhere does not exist" in finding.lines[0]
    for file in (*PUBLISHED["small"], *PUBLISHED["full"]):
        assert any(file.command in line and file.sha256 in line for line in finding.lines)


@pytest.mark.parametrize(
    ("missing", "fine", "said"),
    [
        ((), True, "generated games and --backend textworld work"),
        (("textworld", "fast_downward"), False, "--backend textworld lacks textworld, fast_downward"),
        (("alfworld",), False, "needed to generate games"),
        (("alfworld", "textworld"), False, "needed to generate games"),
    ],
)
def test_packages(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], fine: bool, said: str) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name in missing else ModuleSpec(name, None)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    finding = alfworld_package()
    assert finding.fine is fine
    assert said in finding.lines[0]
