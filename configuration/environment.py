"""The `environment` section of the configuration: which benchmark is played, with which data."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from configuration.keys import nearest
from configuration.section import Section

_LARGEST_SHARE = 1000


class GeneratorSettings(Section):
    """Generated ALFWorld games, and the size of a synthetic WebShop catalogue."""

    games: int = Field(60, ge=1)
    """Number of generated ALFWorld games in each split, spread evenly over the task types."""
    task_types: tuple[str, ...] = ()
    """Task types of generated ALFWorld games, such as `pick_and_place_simple`; empty means all six."""
    horizon: Literal["tiny", "short", "medium", "long"] = "medium"
    """Size of a game: the number of its places, and so the length of a search."""
    clutter: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the places that hold objects unrelated to the task."""
    products: int = Field(200, ge=10)
    """Number of products in the synthetic WebShop catalogue."""


class EnvironmentSettings(Section):
    """Everything that decides which tasks exist, and the rules of an episode."""

    name: str = "alfworld"
    """Name: `alfworld`, `webshop`, that of an installed package, `package.module:function`,
    `gymnasium:ID`, `textarena:GAME`, `openenv:URL`, or `verifiers:ID`."""
    mix: tuple[str, ...] = ()
    """Several environments to play, instead of `name`, each with its share of the groups, such as
    `alfworld=3,webshop=1`."""
    data: Path | None = None
    """Path of the data, by default ALFWORLD_DATA or WEBSHOP_DATA; without it, tasks are generated."""
    source: Literal["auto", "real", "generated"] = "auto"
    """Origin of the tasks: `real` requires data, `generated` ignores it, `auto` uses it if there is any."""
    backend: Literal["native", "textworld"] = "native"
    """Engine of ALFWorld: `native` is ours, `textworld` the original one that ours is tested against."""
    task_types: tuple[str, ...] = ()
    """Task types of ALFWorld that are played, such as `pick_and_place_simple`; empty means all."""
    step_limit: int = Field(50, ge=1)
    """Number of turns after which an episode is truncated."""
    step_limits: tuple[str, ...] = ()
    """Step limits of the environments of `mix` that have another than `step_limit`, such as
    `alfworld=50,webshop=15`."""
    seed: int = 0
    """Seed of generated tasks, of WebShop's goals, and of its splits."""
    compat: Literal["none", "hiper"] = "none"
    """Compatibility of WebShop: `hiper` has the goals of HiPER's code, and its splits, which overlap."""
    show_options: bool = True
    """Whether WebShop's observations name the chosen options; never if `compat` is `hiper`."""
    generator: GeneratorSettings = GeneratorSettings()

    @property
    def shares(self) -> dict[str, int]:
        """The share of each environment of `mix`; empty without a mix."""
        return _by_name(self.mix)

    @property
    def own_step_limits(self) -> dict[str, int]:
        """The step limits of those environments of `mix` that have another than `step_limit`."""
        return _by_name(self.step_limits)

    @property
    def title(self) -> str:
        """What is played, in words."""
        return ", ".join(self.mix) or self.name

    def part(self, name: str) -> EnvironmentSettings:
        """The settings of one environment of `mix`."""
        limit = self.step_limit_of(name)
        return self.model_copy(update={"name": name, "mix": (), "step_limit": limit, "step_limits": ()})

    def step_limit_of(self, name: str) -> int:
        """The step limit of one environment of `mix`, or of the only one."""
        return self.own_step_limits.get(name, self.step_limit)

    @field_validator("mix")
    @classmethod
    def _names_have_shares(cls, mix: tuple[str, ...]) -> tuple[str, ...]:
        for each in mix:
            name, number = _name_and_number(each)
            if not name or not 1 <= number <= _LARGEST_SHARE:
                raise ValueError(
                    f"{each!r} is not an environment with its share, 1 to {_LARGEST_SHARE}; "
                    "alfworld=3,webshop=1 is an example"
                )
        if len(_by_name(mix)) < len(mix) or len(mix) == 1:
            raise ValueError("at least two environments are needed, each of them once")
        return mix

    @field_validator("step_limits")
    @classmethod
    def _limits_are_of_the_mix(cls, limits: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for each in limits:
            name, number = _name_and_number(each)
            if not name or number < 1:
                raise ValueError(
                    f"{each!r} is not an environment with its step limit, at least 1; "
                    "alfworld=50,webshop=15 is an example"
                )
        if len(_by_name(limits)) < len(limits):
            raise ValueError("an environment has two step limits")
        # Without a valid mix, the message about the mix is enough.
        if limits and "mix" in info.data:
            _check_names(_by_name(limits), _by_name(info.data["mix"]))
        return limits


def _name_and_number(text: str) -> tuple[str, int]:
    """The parts of `name=number`; without a number, it is 0."""
    name, _, number = text.rpartition("=")
    return name, int(number) if number.isdecimal() else 0


def _by_name(items: tuple[str, ...]) -> dict[str, int]:
    """Numbers by name of items such as `alfworld=3`."""
    return dict(map(_name_and_number, items))


def _check_names(named: Iterable[str], mix: Collection[str]) -> None:
    if not mix:
        raise ValueError(
            "environment.mix is empty; the limit of a single environment is environment.step_limit"
        )
    for name in named:
        if name not in mix:
            hint = nearest(name, list(mix))
            raise ValueError(f"{name!r} is not in environment.mix, which has {', '.join(mix)}.{hint}")
