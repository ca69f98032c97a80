"""The shop's search engine."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from environments.webshop.analyzer import analyze
from environments.webshop.bm25 import build_index
from environments.webshop.products import Product
from environments.webshop.progress import shown

RESULTS = 50
"""Largest number of products that a search finds."""
_CACHED_QUERIES = 1 << 14


class SearchEngine:
    """Finds products by their texts; among equal scores, smaller asins come first."""

    def __init__(self, products: Iterable[Product]) -> None:
        # The index breaks ties by document number, and documents are numbered in this order.
        self._products = sorted(products, key=lambda product: product.asin)
        counted = shown(self._products, "Indexing products", len(self._products))
        self._index = build_index(analyze(product.search_text) for product in counted)
        self.search = lru_cache(maxsize=_CACHED_QUERIES)(self._search)
        """The products for a query, at most 50, best first."""

    def _search(self, query: str) -> tuple[Product, ...]:
        return tuple(self._products[number] for number in self._index.top(analyze(query), RESULTS).tolist())
