"""The `environment` section of the configuration: which benchmark is played, with which data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

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
        return {name: int(share) for name, _, share in (each.rpartition("=") for each in self.mix)}

    @property
    def title(self) -> str:
        """What is played, in words."""
        return ", ".join(self.mix) or self.name

    def part(self, name: str) -> EnvironmentSettings:
        """The settings of one environment of `mix`."""
        return self.model_copy(update={"name": name, "mix": ()})

    @field_validator("mix")
    @classmethod
    def _names_have_shares(cls, mix: tuple[str, ...]) -> tuple[str, ...]:
        names = []
        for each in mix:
            name, _, share = each.rpartition("=")
            if not name or not share.isdecimal() or not 1 <= int(share) <= _LARGEST_SHARE:
                raise ValueError(
                    f"{each!r} is not an environment with its share, 1 to {_LARGEST_SHARE}; "
                    "alfworld=3,webshop=1 is an example"
                )
            names.append(name)
        if len(set(names)) < len(names) or len(names) == 1:
            raise ValueError("at least two environments are needed, each of them once")
        return mix
