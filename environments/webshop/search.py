"""The shop's search: the best 50 products for a query."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from environments.webshop.analyzer import analyze
from environments.webshop.bm25 import build_index
from environments.webshop.products import Product
from environments.webshop.progress import shown

RESULTS = 50
_CACHED_QUERIES = 1 << 14


class SearchEngine:
    """Finds products by text; ties in the score go to the smaller asin."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._products = sorted(products, key=lambda product: product.asin)
        counted = shown(self._products, "Indexing products", len(self._products))
        self._index = build_index(analyze(product.search_text) for product in counted)
        self.search = lru_cache(maxsize=_CACHED_QUERIES)(self._search)
        """At most 50 products, best first."""

    def _search(self, query: str) -> tuple[Product, ...]:
        return tuple(self._products[number] for number in self._index.top(analyze(query), RESULTS).tolist())
