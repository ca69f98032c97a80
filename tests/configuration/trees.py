"""Hypothesis strategies for whole configurations, made from the types and bounds of the fields themselves."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import strategies as st

from configuration.keys import Key, keys
from configuration.tree import Configuration
from configuration.vllm_options import SET_BY_OUR_KEYS

KEYS = {key.name: key for key in keys(Configuration)}
_CHARACTER = st.characters(exclude_categories=["Cs", "Cc"])
_WORD = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
_ITEM = st.booleans() | st.integers(-(2**31), 2**31) | st.floats(0.0, 1.0) | _WORD
_OPTION = _WORD.filter(lambda name: name not in SET_BY_OUR_KEYS)
_OPTIONS = st.dictionaries(_OPTION, _ITEM | st.dictionaries(_WORD, _ITEM, max_size=2), max_size=3)
_PATH = st.lists(_WORD, min_size=1, max_size=3).map(lambda parts: Path("/", *parts))


def value_of_key(key: Key) -> st.SearchStrategy[Any]:
    """Values of a key that satisfy its own bounds, though not what must hold between keys."""
    if key.name == "planner.temperature" or key.name == "executor.temperature":
        return st.just(0.0) | st.floats(0.01, 100.0)
    if key.name.endswith((".address", ".listen")):
        there = st.builds("{}:{}".format, _WORD, st.integers(0, 65535))
        return there | st.none() if key.default is None else there
    if key.name == "run.trace":
        return st.none() | st.builds("http://{}:{}".format, _WORD, st.integers(0, 65535))
    if key.name == "environment.mix":
        names = st.lists(_WORD, min_size=2, max_size=3, unique=True)
        return names.map(lambda those: tuple(f"{name}={share}" for share, name in enumerate(those, 1)))
    if key.name == "environment.step_limits":
        return st.sampled_from([("alfworld=50",), ("alfworld=50", "webshop=15")])
    if key.name == "critic.penalties":
        return st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=3).map(tuple)
    if key.name == "ppo.importance_band":
        return st.tuples(st.floats(0, 1), st.floats(1, 9))
    if key.is_table:
        return _OPTIONS
    return _values(key.field.annotation, key.field.metadata)


def tables() -> st.SearchStrategy[dict[str, Any]]:
    """Values by key that are valid together."""
    return st.fixed_dictionaries({name: value_of_key(key) for name, key in KEYS.items()}).map(_consistent)


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Values by dotted key as the tables that pydantic validates."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        table = tree
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = value
    return tree


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    same = dict.fromkeys(("planner.model", "executor.model"), values["learner.model"])
    groups = values["learner.episodes_per_update"] * values["learner.group_size"]
    changed = {**values, **same, "learner.episodes_per_update": groups}
    mixed = [each.partition("=")[0] for each in values["environment.mix"]]
    named = zip(mixed, values["environment.step_limits"], strict=False)
    changed["environment.step_limits"] = tuple(f"{name}={each.partition('=')[2]}" for name, each in named)
    if values["learner.shard_base"]:
        changed["learner.ranks"] = values["learner.ranks"] + 1
        changed["learner.gradient_checkpointing"] = True
        changed["learner.quantization"] = "none"
    if values["planner.sleep_while_updating"] or values["executor.sleep_while_updating"]:
        changed["learner.max_lag"] = 0
    if values["learner.zero_stage"]:
        changed["learner.optimizer"] = "deepspeed"
    if not values["planner.hierarchy"]:
        changed["estimator.keep_penalty.mode"] = "none"
    for section in ("planner", "executor"):
        if values[f"{section}.dtype"] == "float64":
            changed[f"{section}.engine"] = "embedded"
        if changed.get(f"{section}.engine", values[f"{section}.engine"]) == "embedded":
            changed[f"{section}.vllm"] = {}
        else:
            changed[f"{section}.cuda_graphs"] = False
    if values["imitation.mistakes"] or values["imitation.episodes"]:
        changed["imitation.teacher"] = "adviser"
    if not values["imitation.episodes"]:
        changed["imitation.games"] = max(1, values["imitation.games"])
    return changed


def _values(annotation: Any, bounds: list[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [bound for one in arguments[1:] for bound in getattr(one, "metadata", [one])]
        return _values(arguments[0], [*bounds, *own])
    if origin in (Union, types.UnionType):
        return st.one_of(*(_values(each, bounds) for each in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    least = max((bound.min_length for bound in bounds if isinstance(bound, MinLen)), default=0)
    if origin is tuple:
        return st.lists(_values(arguments[0], []), min_size=least, max_size=3).map(tuple)
    if annotation is types.NoneType:
        return st.none()
    if annotation is int:
        return _integers(bounds)
    if annotation is float:
        return _floats(bounds)
    if annotation is str:
        return st.text(_CHARACTER, min_size=least, max_size=12)
    return {bool: st.booleans(), Path: _PATH}[annotation]


def _integers(bounds: list[Any]) -> st.SearchStrategy[int]:
    lows: list[Any] = [bound.ge for bound in bounds if isinstance(bound, Ge)]
    highs: list[Any] = [bound.le for bound in bounds if isinstance(bound, Le)]
    return st.integers(max(lows, default=-(2**63)), min(highs, default=2**31))


def _floats(bounds: list[Any]) -> st.SearchStrategy[float]:
    lows: list[Any] = [
        bound.ge if isinstance(bound, Ge) else bound.gt for bound in bounds if isinstance(bound, Ge | Gt)
    ]
    highs: list[Any] = [
        bound.le if isinstance(bound, Le) else bound.lt for bound in bounds if isinstance(bound, Le | Lt)
    ]
    return st.floats(
        max(lows, default=None),
        min(highs, default=None),
        allow_nan=False,
        allow_infinity=False,
        exclude_min=any(isinstance(bound, Gt) for bound in bounds),
        exclude_max=any(isinstance(bound, Lt) for bound in bounds),
    )
