"""Reading JSON piece by piece gives what reading it at once gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from environments.errors import EnvironmentDataError
from environments.webshop import json_stream
from environments.webshop.json_stream import array_elements, object_items

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
)
ANY_CHUNK = st.integers(1, 12)
# The folder and the patched size of the chunks are set anew by each example.
PER_EXAMPLE = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PER_EXAMPLE
@given(st.lists(VALUES, max_size=5), ANY_CHUNK, st.sampled_from((None, 2)))
def test_any_array_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    file = tmp_path / "array.json"
    file.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert list(array_elements(file)) == values


@PER_EXAMPLE
@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), ANY_CHUNK)
def test_any_object_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], chunk: int
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    file = tmp_path / "object.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    assert dict(object_items(file)) == values


@PER_EXAMPLE
@given(st.lists(VALUES, min_size=1, max_size=3), ANY_CHUNK, st.data())
def test_no_array_that_is_cut_off_is_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], chunk: int, data: st.DataObject
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    text = json.dumps(values)
    file = tmp_path / "array.json"
    file.write_text(text[: data.draw(st.integers(0, len(text) - 1))])
    with pytest.raises(EnvironmentDataError, match=r"array\.json .*truncated or not a WebShop file"):
        list(array_elements(file))


@pytest.mark.parametrize("chunk", [1, 3, 1 << 10])
def test_a_number_is_not_cut_where_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    file = tmp_path / "array.json"
    file.write_text("[1234,5.25e3 ,-0.5]")
    assert list(array_elements(file)) == [1234, 5250.0, -0.5]


def test_the_published_files_may_hold_nan(tmp_path: Path) -> None:
    file = tmp_path / "array.json"
    file.write_text('[{"asin": NaN}, Infinity]')
    first, second = array_elements(file)
    assert first["asin"] != first["asin"] and second == float("inf")


@pytest.mark.parametrize("chunk", [1, 1 << 10])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1}] ]', "has ']' after its end"),
        ("[] []", r"has '\[' after its end"),
        ("[1, 2, 3]\n\nx", "has 'x' after its end"),
        ("[1 2]", "has '2' where ',' or ']' was expected"),
        ("[1,]", "holds broken JSON or ends too early"),
        ("{}", r"does not start with '\['"),
        ("  ", "ends too early"),
    ],
)
def test_what_is_wrong_with_an_array_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, text: str, reason: str
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    file = tmp_path / "array.json"
    file.write_text(text)
    with pytest.raises(EnvironmentDataError, match=rf"array\.json {reason}"):
        list(array_elements(file))


@pytest.mark.parametrize("text", ['{"a" 1}', "{1: 2}", '{"a": 1, }', '{"a": 1]', '{"a"}', "[]", '{"a": 1}}'])
def test_a_broken_object_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "object.json"
    file.write_text(text)
    with pytest.raises(EnvironmentDataError, match=r"object\.json"):
        list(object_items(file))


def test_elements_before_the_break_are_given_first(tmp_path: Path) -> None:
    file = tmp_path / "array.json"
    file.write_text('[{"a": 1}, {"b": 2}, {"c"')
    elements = array_elements(file)
    assert [next(elements), next(elements)] == [{"a": 1}, {"b": 2}]
    with pytest.raises(EnvironmentDataError):
        next(elements)
