"""Which files are found in a folder, and what is said about those that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.errors import DataNotFoundError
from environments.webshop.files import PUBLISHED, find_files, nouns_command

SMALL = ("items_shuffle_1000.json", "items_ins_v2_1000.json")
FULL = ("items_shuffle.json", "items_ins_v2.json")
OTHERS = ("items_human_ins.json", "title_nouns.json")


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_all_files_of_the_small_setting(tmp_path: Path) -> None:
    files = find_files(folder_with(tmp_path, *SMALL, *OTHERS))
    assert files.setting == "small"
    assert files.require() == (tmp_path / SMALL[0], tmp_path / SMALL[1], tmp_path / "title_nouns.json")
    assert files.human == tmp_path / "items_human_ins.json"
    assert files.missing == ()


def test_all_files_of_the_full_setting(tmp_path: Path) -> None:
    files = find_files(folder_with(tmp_path, *FULL, "title_nouns.json"))
    assert files.setting == "full"
    assert files.require() == (tmp_path / FULL[0], tmp_path / FULL[1], tmp_path / "title_nouns.json")
    assert files.human is None and files.missing == ()


def test_a_folder_with_both_is_the_small_setting_and_a_file_decides(tmp_path: Path) -> None:
    folder_with(tmp_path, *SMALL, *FULL, *OTHERS)
    assert find_files(tmp_path).setting == "small"
    chosen = find_files(tmp_path / "items_shuffle.json")
    assert (chosen.setting, chosen.products) == ("full", tmp_path / "items_shuffle.json")
    assert chosen.annotations == tmp_path / "items_ins_v2.json"
    assert find_files(tmp_path / SMALL[0]).setting == "small"


def test_a_slim_product_file_is_preferred(tmp_path: Path) -> None:
    folder_with(tmp_path, *SMALL, *OTHERS, "items_shuffle_1000.slim.json")
    assert find_files(tmp_path).products == tmp_path / "items_shuffle_1000.slim.json"
    assert find_files(tmp_path / SMALL[0]).products == tmp_path / SMALL[0]


def test_any_name_of_a_product_file_can_be_given(tmp_path: Path) -> None:
    folder_with(tmp_path, "mine.json", "items_ins_v2.json", "title_nouns.json")
    files = find_files(tmp_path / "mine.json")
    assert (files.setting, files.products) == ("full", tmp_path / "mine.json")
    assert files.missing == ()


def test_nouns_may_have_a_longer_name_or_be_among_the_recordings(tmp_path: Path) -> None:
    folder_with(tmp_path, *SMALL, "golden/title_nouns_small.json")
    assert find_files(tmp_path).nouns == tmp_path / "golden" / "title_nouns_small.json"
    folder_with(tmp_path, "title_nouns_1000.json")
    assert find_files(tmp_path).nouns == tmp_path / "title_nouns_1000.json"


def test_folders_with_the_names_of_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / SMALL[0]).mkdir()
    assert find_files(tmp_path).products is None


def test_each_missing_file_is_named_with_its_command(tmp_path: Path) -> None:
    products, annotations, human = PUBLISHED["small"]
    files = find_files(tmp_path)
    assert files.missing == (
        f"{SMALL[0]}: {products.command}",
        f"{SMALL[1]}: {annotations.command}",
        f"title_nouns.json: {nouns_command(tmp_path / SMALL[0])}",
    )
    assert not any(human.name in line for line in files.missing), "it is optional"
    with pytest.raises(DataNotFoundError) as refused:
        files.require()
    assert str(refused.value).startswith(f"{tmp_path} lacks files of WebShop's small setting.")
    assert all(line in str(refused.value) for line in files.missing)


def test_only_what_is_missing_is_named(tmp_path: Path) -> None:
    files = find_files(folder_with(tmp_path, FULL[0], "title_nouns.json"))
    assert files.missing == (f"{FULL[1]}: {PUBLISHED['full'][1].command}",)


def test_nouns_are_computed_from_the_products_that_are_there(tmp_path: Path) -> None:
    files = find_files(folder_with(tmp_path, *SMALL))
    (line,) = files.missing
    assert line.endswith(f"python -m environments.webshop.nouns {tmp_path / SMALL[0]}")


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="nowhere does not exist; it should be a folder"):
        find_files(tmp_path / "nowhere")


def test_published_files_can_be_checked_and_fetched() -> None:
    for files in PUBLISHED.values():
        for file in files:
            assert len(file.sha256) == 64 and file.size > 0
            assert file.command == f"gdown https://drive.google.com/uc?id={file.drive_id} -O {file.name}"
