"""The `environment` section of the configuration: which benchmark is played, on what data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from configuration.section import Section


class GeneratorSettings(Section):
    """New ALFWorld games from a seed, and the size of a synthetic WebShop catalogue."""

    games: int = Field(60, ge=1)
    """Generated ALFWorld games in each split, spread evenly over the task types."""
    task_types: tuple[str, ...] = ()
    """ALFWorld task types to generate, such as `pick_and_place_simple`; empty means all six."""
    horizon: Literal["tiny", "short", "medium", "long"] = "medium"
    """How many places a game has, and so how long its search is."""
    clutter: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the places that hold objects which have nothing to do with the task."""
    products: int = Field(200, ge=10)
    """Products in the synthetic WebShop catalogue."""


class EnvironmentSettings(Section):
    """Everything that decides which tasks there are and how an episode of one goes."""

    name: str = "alfworld"
    """A name of the registry: `alfworld`, `webshop`, or one that was added."""
    data: Path | None = None
    """Where the benchmark's files are; without it ALFWORLD_DATA or WEBSHOP_DATA, else generated tasks."""
    source: Literal["auto", "real", "generated"] = "auto"
    """`real` fails where no data is found, `generated` ignores data, `auto` takes what there is."""
    backend: Literal["native", "textworld"] = "native"
    """ALFWorld only: our engine, or the stock one as its oracle."""
    task_types: tuple[str, ...] = ()
    """ALFWorld only: task types that are kept, such as `pick_and_place_simple`; empty means all."""
    step_limit: int = Field(50, ge=1)
    """Turns after which an episode is truncated."""
    seed: int = 0
    """Seed of generated tasks, of WebShop's goals and of its split."""
    compat: Literal["none", "hiper"] = "none"
    """WebShop only: `hiper` reproduces the reference's goals and its overlapping splits."""
    show_options: bool = True
    """WebShop only: observations name the chosen options (never in compat mode)."""
    generator: GeneratorSettings = GeneratorSettings()
