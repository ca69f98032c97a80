"""Catalogues and recordings that several test files read."""

from __future__ import annotations

import json
import lzma
from functools import cache
from typing import Any

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.webshop import load
from environments.webshop.benchmark import WebShop
from environments.webshop.catalogue import Catalogue, load_catalogue, parse_catalogue
from environments.webshop.files import find_files
from tests.shared_data import shared


@cache
def real_catalogue() -> Catalogue:
    return load_catalogue(find_files(shared("webshop")))


@cache
def real_shop(compat: str = "none", step_limit: int = 50) -> WebShop:
    settings = {"data": shared("webshop"), "source": "real", "seed": 233}
    return load(
        EnvironmentSettings.model_validate(
            {"name": "webshop", "compat": compat, "step_limit": step_limit, **settings}
        )
    )


@cache
def synthetic_shop(products: int = 60, show_options: bool = True, step_limit: int = 50) -> WebShop:
    return load(
        EnvironmentSettings(
            name="webshop",
            source="generated",
            show_options=show_options,
            step_limit=step_limit,
            generator=GeneratorSettings(products=products),
        )
    )


def golden_lines(name: str) -> list[dict[str, Any]]:
    with lzma.open(shared(f"webshop/golden/{name}"), "rt") as lines:
        return [json.loads(line) for line in lines]


def golden_json(name: str) -> Any:
    path = shared(f"webshop/golden/{name}")
    return json.loads(lzma.open(path).read() if path.suffix == ".xz" else path.read_bytes())


def record(asin: str, **changes: Any) -> dict[str, Any]:
    """A product record with plain values, but for the changes."""
    return {
        "asin": asin,
        "name": "Acme Lamp",
        "full_description": "A lamp.",
        "small_description": ["Bright light"],
        "pricing": "$15.50",
        "product_category": "Home › Lighting › Lamps",
        "category": "garden",
        "query": "Lamps ",
        "customization_options": {},
        **changes,
    }


def small_catalogue(*records: dict[str, Any], nouns: tuple[str, ...] = ("acme", "lamp")) -> Catalogue:
    """A catalogue in which every product has the same instruction and title nouns."""
    annotation = {
        "attributes": ["easy install"],
        "instruction": "Find me easy install lamps",
        "instruction_attributes": ["easy install"],
    }
    asins = {each["asin"] for each in records}
    return Catalogue(
        parse_catalogue(records, dict.fromkeys(asins, annotation), {}, dict.fromkeys(asins, nouns))
    )
