"""Dotted keys of a section tree, and suggestions for those that are misspelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from configuration.keys import keys, nearest, value_of
from configuration.section import Section


class Engine(Section):
    threads: int = 2
    """Threads of the engine."""
    fast: bool = False
    """Whether it is fast."""


class Car(Section):
    engine: Engine = Engine()
    name: str = "car"
    """Name of the car."""
    manual: Path | None = None
    """Its manual."""
    undescribed: tuple[int, ...] = ()
    papers: tuple[Path, ...] = ()


def test_keys_are_in_the_order_of_the_source_with_their_defaults() -> None:
    assert [(key.name, key.default) for key in keys(Car)] == [
        ("engine.threads", 2),
        ("engine.fast", False),
        ("name", "car"),
        ("manual", None),
        ("undescribed", ()),
        ("papers", ()),
    ]


def test_a_field_s_docstring_is_its_help() -> None:
    assert [key.help for key in keys(Car)][:2] == ["Threads of the engine.", "Whether it is fast."]


def test_a_help_text_is_one_line() -> None:
    class Long(Section):
        value: int = 0
        """A value whose docstring
        has two lines."""

    assert [key.help for key in keys(Long)] == ["A value whose docstring has two lines."]
    assert [key.help for key in keys(Car)][-1] == ""


def test_switches_and_paths_are_told_apart() -> None:
    assert [key.name for key in keys(Car) if key.is_switch] == ["engine.fast"]
    assert [key.name for key in keys(Car) if key.is_path] == ["manual", "papers"]


def test_a_prefix_is_put_before_each_name() -> None:
    assert [key.name for key in keys(Engine, "a.b.")] == ["a.b.threads", "a.b.fast"]


def test_values_are_found_by_their_keys() -> None:
    car = Car(engine=Engine(threads=7), name="other")
    assert value_of(car, "engine.threads") == 7
    assert value_of(car, "name") == "other"
    assert value_of(car, "engine") == Engine(threads=7)
    with pytest.raises(AttributeError):
        value_of(car, "engine.wheels")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("engine.thread", " Did you mean engine.threads?"),
        ("threads", " Did you mean engine.threads?"),
        ("motor.threds", " Did you mean engine.threads?"),
        ("nam", " Did you mean name?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_key_is_suggested(name: str, suggestion: str) -> None:
    assert nearest(name, [key.name for key in keys(Car)]) == suggestion


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert nearest("threads", []) == ""
