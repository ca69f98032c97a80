"""Generates a catalogue, in the format of the real files, for use without them."""

from __future__ import annotations

import string
from dataclasses import dataclass
from random import Random
from typing import Any

from environments.webshop.catalogue import Catalogue, parse_catalogue
from environments.webshop.vocabulary import BRANDS, KINDS, Kind

_ASIN_LETTERS = string.ascii_uppercase + string.digits
_PRICE_RANGE_SHARE = 0.2
"""Share of the products whose price is a range."""


@dataclass(frozen=True)
class _Draft:
    """A product before it is turned into records of the benchmark's files."""

    asin: str
    kind: Kind
    title: str
    nouns: tuple[str, ...]
    attributes: tuple[str, ...]
    wanted: tuple[str, ...]
    """Attributes that the instruction asks for."""
    options: dict[str, tuple[str, ...]]
    pricing: str


def synthetic_catalogue(products: int, seed: int) -> Catalogue:
    """A catalogue that depends only on the arguments; every goal in it can be met with reward 1."""
    random = Random(seed)
    drafts = [_draft(asin, KINDS[number % len(KINDS)], random) for number, asin in _asins(products, random)]
    return Catalogue(
        parse_catalogue(
            records=map(_record, drafts),
            annotations={draft.asin: _annotation(draft) for draft in drafts},
            human={},
            nouns={draft.asin: draft.nouns for draft in drafts},
        )
    )


def _asins(count: int, random: Random) -> list[tuple[int, str]]:
    found: dict[str, None] = {}
    while len(found) < count:
        found["B0" + "".join(random.choices(_ASIN_LETTERS, k=8))] = None
    return list(enumerate(found))


def _draft(asin: str, kind: Kind, random: Random) -> _Draft:
    brand, head, material = random.choice(BRANDS), random.choice(kind.heads), random.choice(kind.materials)
    attributes = tuple(random.sample(kind.attributes, random.randint(3, 5)))
    wanted = attributes[: random.randint(2, 3)]
    return _Draft(
        asin=asin,
        kind=kind,
        title=f"{brand} {material} {head}, {attributes[0].title()}, {attributes[-1].title()}",
        nouns=tuple(f"{brand} {material} {head}".lower().split()),
        attributes=attributes,
        wanted=wanted,
        options=_draw_options(kind, random),
        pricing=_draw_pricing(kind, random),
    )


def _draw_options(kind: Kind, random: Random) -> dict[str, tuple[str, ...]]:
    """One or two options with two to four values each."""
    names = random.sample(sorted(kind.options), random.randint(1, 2))
    return {
        name: tuple(random.sample(kind.options[name], min(len(kind.options[name]), random.randint(2, 4))))
        for name in names
    }


def _draw_pricing(kind: Kind, random: Random) -> str:
    low = random.randint(*kind.prices) + random.choice((0.49, 0.95, 0.99))
    if random.random() < _PRICE_RANGE_SHARE:
        return f"${low:.2f} ${low * random.uniform(1.1, 1.6):.2f}"
    return f"${low:.2f}"


def _record(draft: _Draft) -> dict[str, Any]:
    """The product as a record of items_shuffle.json."""
    noun = draft.kind.query
    return {
        "asin": draft.asin,
        "name": draft.title,
        "full_description": f"{draft.title}. For people who look for {noun} with {draft.attributes[-1]}.",
        "small_description": [
            f"{', '.join(draft.attributes).capitalize()}: made for those who want {noun} that last.",
            f"The {draft.nouns[-1]} comes with a guarantee of two years.",
        ],
        "pricing": draft.pricing,
        "product_category": draft.kind.path,
        "category": draft.kind.category,
        "query": draft.kind.query,
        "customization_options": {
            name: [{"value": value} for value in values] for name, values in draft.options.items()
        },
    }


def _annotation(draft: _Draft) -> dict[str, Any]:
    """The product's entry in items_ins_v2.json."""
    *first, last = draft.wanted
    return {
        "attributes": list(draft.attributes),
        "instruction": f"Find me {', '.join(first)} {draft.kind.query} with {last}",
        "instruction_attributes": list(draft.wanted),
    }
