"""The `environment` section of the configuration: which benchmark is played, with which data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from configuration.section import Section


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
    """Name: `alfworld`, `webshop`, that of an installed package, `package.module:function`, or
    `gymnasium:ID`."""
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
