"""Reading the benchmark's files, and the catalogue made from a seed."""

import json
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings
from environments.errors import EnvironmentDataError
from environments.webshop import json_stream, load
from environments.webshop.catalogue import load_catalogue
from environments.webshop.files import PUBLISHED, find_files
from environments.webshop.json_stream import array_elements, object_items
from environments.webshop.synthetic import synthetic_catalogue
from tests.environments.webshop.shops import real_catalogue, record, small_catalogue
from tests.shared_data import shared


def write_shop(
    folder: Path, records: list[dict[str, object]], nouns: bool = True, full: bool = False
) -> Path:
    suffix = "" if full else "_1000"
    (folder / f"items_shuffle{suffix}.json").write_text(json.dumps(records))
    annotation = {"attributes": ["a"], "instruction": "Find me a", "instruction_attributes": ["a"]}
    asins = [str(each["asin"]) for each in records]
    (folder / f"items_ins_v2{suffix}.json").write_text(json.dumps(dict.fromkeys(asins, annotation)))
    if nouns:
        (folder / "title_nouns.json").write_text(json.dumps({asin: ["lamp"] for asin in asins}))
    return folder


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_elements_are_read_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    values = [{"a": "é]}", "b": [1, {"c": None}]}, {}, {"x": "\u2605"}]
    array, mapping = tmp_path / "array.json", tmp_path / "object.json"
    array.write_text(json.dumps(values, indent=1), encoding="utf-8")
    mapping.write_text(json.dumps({"k:": values, "": {}}, ensure_ascii=False), encoding="utf-8")
    assert list(array_elements(array)) == values
    assert dict(object_items(mapping)) == {"k:": values, "": {}}


@pytest.mark.parametrize(
    "text", ["", "{}", "[", '[{"a": 1}', '[{"a": 1} {"b": 2}]', '[{"a": ', "[}", "\x00", '[{"a"]']
)
def test_broken_arrays_are_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "items.json"
    file.write_text(text)
    with pytest.raises(EnvironmentDataError, match=r"items\.json"):
        list(array_elements(file))


def test_empty_array_and_object(tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_text(" [ ] ")
    assert list(array_elements(file)) == []
    file.write_text("{}")
    assert list(object_items(file)) == []


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    file.write_bytes(b"[\xff\xfe]")
    with pytest.raises(EnvironmentDataError, match="UTF-8"):
        list(array_elements(file))


def test_the_full_and_the_slim_file_are_the_same_catalogue() -> None:
    full = load_catalogue(find_files(shared("webshop/items_shuffle_1000.json")))
    assert full.digest == real_catalogue().digest
    assert len(full.products) == 1000


def test_the_full_settings_files_are_read_by_the_same_loader(tmp_path: Path) -> None:
    files = find_files(write_shop(tmp_path, [record("B1"), record("B2")], full=True))
    assert files.setting == "full"
    assert [product.asin for product in load_catalogue(files).products] == ["B1", "B2"]


def test_repeated_and_overlong_asins_are_dropped() -> None:
    catalogue = small_catalogue(
        record("B1", name="first"), record("B1", name="second"), record("B2"), record("B" * 11)
    )
    assert [(product.asin, product.title) for product in catalogue.products] == [
        ("B1", "first"),
        ("B2", "Acme Lamp"),
    ]


def test_prices_and_tags() -> None:
    catalogue = small_catalogue(
        record("B1", pricing="$1,049.00 $1,299.50"), record("B2", pricing=None), record("B3", pricing="$7.80")
    )
    assert [(p.price_tag, p.prices) for p in catalogue.products] == [
        ("$1049.0 to $1299.5", (1049.0, 1299.5)),
        ("$100.0", (100.0,)),
        ("$7.8", (7.8,)),
    ]


def test_missing_files_are_named_with_the_commands_that_get_them(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentDataError) as caught:
        load_catalogue(find_files(tmp_path))
    for file in PUBLISHED["small"][:2]:
        assert file.command in str(caught.value)


def test_missing_nouns_are_named_with_the_command_that_computes_them(tmp_path: Path) -> None:
    folder = write_shop(tmp_path, [record("B1")], nouns=False)
    with pytest.raises(EnvironmentDataError, match=r"environments.webshop.nouns .*items_shuffle_1000.json"):
        load_catalogue(find_files(folder))


def test_nouns_of_another_catalogue_are_refused(tmp_path: Path) -> None:
    folder = write_shop(tmp_path, [record("B1")])
    (folder / "title_nouns.json").write_text('{"B2": []}')
    with pytest.raises(EnvironmentDataError, match="B1"):
        load_catalogue(find_files(folder))


@pytest.mark.parametrize(
    "changes", [{"pricing": "$"}, {"name": None}, {"customization_options": {"c": [{}]}}]
)
def test_a_foreign_record_is_refused_by_its_asin(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = write_shop(tmp_path, [record("B1", **changes)])
    with pytest.raises(EnvironmentDataError, match="B1"):
        load_catalogue(find_files(folder))


@pytest.mark.parametrize("name", ["title_nouns.json", "items_ins_v2_1000.json", "items_human_ins.json"])
@pytest.mark.parametrize("contents", ['{"B1": 5}', "[]", "5", '{"B1": [5]}', '{"B1"', ""])
def test_foreign_contents_of_the_other_files_are_refused(tmp_path: Path, name: str, contents: str) -> None:
    folder = write_shop(tmp_path, [record("B1")])
    (folder / name).write_text(contents)
    with pytest.raises(EnvironmentDataError):
        load_catalogue(find_files(folder))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentDataError, match="nowhere"):
        load(EnvironmentSettings(name="webshop", data=tmp_path / "nowhere"))


def test_real_data_can_be_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)
    with pytest.raises(EnvironmentDataError, match="WEBSHOP_DATA"):
        load(EnvironmentSettings(name="webshop", source="real"))


def test_the_same_seed_makes_the_same_catalogue() -> None:
    assert synthetic_catalogue(40, 1).digest == synthetic_catalogue(40, 1).digest
    assert synthetic_catalogue(40, 1).digest != synthetic_catalogue(40, 2).digest


def test_a_synthetic_catalogue_has_all_categories_and_distinct_products() -> None:
    catalogue = synthetic_catalogue(60, 0)
    assert {product.category for product in catalogue.products} == {
        "garden",
        "fashion",
        "beauty",
        "electronics",
        "grocery",
    }
    assert len(catalogue.by_asin) == 60


def test_a_price_without_a_dollar_is_refused_by_name():
    with pytest.raises(EnvironmentDataError, match=r"product 'A1' .*pricing '15\.50' has no price"):
        small_catalogue(record("A1", pricing="15.50"))


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "items.json"
    path.write_text("[" * 100_000)
    with pytest.raises(EnvironmentDataError, match="nested too deeply"):
        list(array_elements(path))
