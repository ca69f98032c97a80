"""Products, parsed from the records of the benchmark's files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from environments.errors import EnvironmentDataError

MAX_ASIN_LENGTH = 10
NO_ATTRIBUTES = ("DUMMY_ATTR",)
"""Attributes that the reference gives to products without any."""
DEFAULT_PRICE = 100.0
"""Price in dollars of products without one."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction for a product, without the words for options and price."""

    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...] = ()
    """Wanted option values; filled only for instructions written by people."""


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """An entry of the catalogue; compared by identity, so that it is a fast key for caches."""

    asin: str
    """Amazon's product number."""
    title: str
    description: str
    features: tuple[str, ...]
    price_tag: str
    prices: tuple[float, ...]
    """Price in dollars, or both ends of the range from which it is drawn."""
    options: Mapping[str, tuple[str, ...]]
    """Values by option name, in the order of the page."""
    attributes: tuple[str, ...]
    category: str
    query: str
    category_path: str
    """Names of categories from the widest to the narrowest, joined by `›`."""
    instruction: Instruction | None
    human_instructions: tuple[Instruction, ...]
    title_nouns: tuple[str, ...]
    """Lower-cased nouns and proper nouns of the title, with repeats."""

    @property
    def search_text(self) -> str:
        """Text that the search engine indexes."""
        options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in self.options.items())
        first_feature = self.features[0] if self.features else ""
        return f"{self.title} {self.description} {first_feature} {options}".lower()


def distinct_records(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The records that the benchmark uses: the first one of each asin with at most ten characters."""
    seen = {"nan"}
    for record in records:
        asin = record.get("asin") if isinstance(record, Mapping) else None
        if not isinstance(asin, str):
            raise EnvironmentDataError(f"a product has no asin (product number): {str(record)[:80]}")
        if len(asin) <= MAX_ASIN_LENGTH and asin not in seen:
            seen.add(asin)
            yield record


def parse_product(
    record: Mapping[str, Any],
    annotation: Mapping[str, Any],
    human: Iterable[Mapping[str, Any]],
    title_nouns: tuple[str, ...],
) -> Product:
    """A product from its entries in the benchmark's three files.

    Args:
        record: Entry of `items_shuffle*.json`.
        annotation: Entry of `items_ins_v2*.json`; empty if there is none.
        human: Entries of `items_human_ins.json`.
        title_nouns: Lower-cased nouns of the title.

    Raises:
        EnvironmentDataError: an entry lacks a field or has one of the wrong type.
    """
    try:
        return _parse(record, annotation, human, title_nouns)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        asin = record.get("asin") if isinstance(record, Mapping) else None
        raise EnvironmentDataError(f"product {asin!r} is not a WebShop record: {error!r}") from error


def _parse(
    record: Mapping[str, Any],
    annotation: Mapping[str, Any],
    human: Iterable[Mapping[str, Any]],
    title_nouns: tuple[str, ...],
) -> Product:
    features = record["small_description"]
    price_tag, prices = _prices(record.get("pricing"))
    return Product(
        asin=record["asin"],
        title=_text(record["name"]),
        description=_text(record["full_description"]),
        features=tuple(map(_text, features if isinstance(features, list) else [features])),
        price_tag=price_tag,
        prices=prices,
        options=_options(record["customization_options"]),
        attributes=tuple(map(intern, annotation.get("attributes", NO_ATTRIBUTES))),
        category=intern(record["category"]),
        query=intern(record["query"].lower().strip()),
        category_path=intern(record["product_category"]),
        instruction=_instruction(annotation),
        human_instructions=tuple(_human_instruction(each) for each in human),
        title_nouns=title_nouns,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _prices(pricing: str | None) -> tuple[str, tuple[float, ...]]:
    """The price tag shown on the page, and the one or two prices in it."""
    if not pricing:
        return f"${DEFAULT_PRICE}", (DEFAULT_PRICE,)
    prices = tuple(float(re.sub(r"[^\d.]", "", part)) for part in pricing.split("$")[1:])
    if not prices:
        raise ValueError(f"pricing {pricing!r} has no price after a $")
    if len(prices) == 1:
        return f"${prices[0]}", prices
    return f"${prices[0]} to ${prices[1]}", prices[:2]


def _options(raw: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]]:
    return {
        intern(name.lower()): tuple(intern(_option_value(each["value"])) for each in contents)
        for name, contents in (raw or {}).items()
        if contents is not None
    }


def _option_value(text: str) -> str:
    return text.strip().replace("/", " | ").lower()


def _instruction(annotation: Mapping[str, Any]) -> Instruction | None:
    text = annotation.get("instruction")
    return None if text is None else Instruction(text, tuple(annotation["instruction_attributes"]))


def _human_instruction(record: Mapping[str, Any]) -> Instruction:
    return Instruction(
        record["instruction"],
        tuple(record["instruction_attributes"]),
        tuple(record["instruction_options"]),
    )
