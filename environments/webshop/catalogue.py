"""The products of a shop, with a search engine for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import Any

from environments.errors import EnvironmentDataError
from environments.webshop.files import WebShopFiles, nouns_command
from environments.webshop.json_stream import array_elements, object_items
from environments.webshop.products import Product, distinct_records, parse_product
from environments.webshop.progress import shown
from environments.webshop.search import SearchEngine


class Catalogue:
    """Immutable products; all environments of a process share one catalogue."""

    def __init__(self, products: Sequence[Product]) -> None:
        if not products:
            raise EnvironmentDataError("a WebShop catalogue needs at least one product")
        self.products = tuple(products)
        """Products in the order of the file, in which the goals are drawn."""
        self.by_asin = {product.asin: product for product in self.products}

    @cached_property
    def engine(self) -> SearchEngine:
        return SearchEngine(self.products)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal hash, equal for catalogues with the same products in the same order."""
        hasher = hashlib.sha256()
        for product in self.products:
            hasher.update(repr(product).encode(errors="surrogatepass"))
        return hasher.hexdigest()

    def find(self, query: str) -> tuple[Product, ...]:
        """At most 50 products, best first."""
        return self.engine.search(query)


def load_catalogue(files: WebShopFiles) -> Catalogue:
    """Reads the catalogue; `EnvironmentDataError` names what is missing or broken.

    Products are parsed one by one, so that the records of the full catalogue are never in memory together.
    """
    products, annotations, nouns = files.require()
    human = dict(object_items(files.human)) if files.human else {}
    annotated, tagged = dict(object_items(annotations)), _interned(object_items(nouns))
    records = shown(array_elements(products), "Reading products", len(tagged))
    return Catalogue(parse_catalogue(records, annotated, human, tagged))


def parse_catalogue(
    records: Iterable[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    human: Mapping[str, Any],
    nouns: Mapping[str, tuple[str, ...]],
) -> list[Product]:
    """The products of the benchmark's files in file order; asins (Amazon's product numbers) are unique.

    Args:
        records: Products as in `items_shuffle*.json`.
        annotations: Attributes and instructions by asin, as in `items_ins_v2*.json`.
        human: Instructions written by people, by asin, as in `items_human_ins.json`.
        nouns: Nouns of the titles by asin.

    Raises:
        EnvironmentDataError: a record is broken, or a product has no nouns.
    """
    found = []
    command = nouns_command(Path("items_shuffle.json"))
    for record in distinct_records(records):
        asin = record["asin"]
        if asin not in nouns:
            raise EnvironmentDataError(
                f"the title nouns of product {asin} are missing: the nouns file is for another catalogue. "
                f"Compute them with\n  {command}"
            )
        found.append(parse_product(record, annotations.get(asin, {}), human.get(asin, ()), nouns[asin]))
    return found


def _interned(nouns: Iterable[tuple[str, list[str]]]) -> dict[str, tuple[str, ...]]:
    try:
        return {asin: tuple(map(intern, words)) for asin, words in nouns}
    except TypeError as error:
        raise EnvironmentDataError(f"the title nouns are not lists of words by asin: {error}") from error
