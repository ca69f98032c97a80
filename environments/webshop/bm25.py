"""BM25 as Lucene 9 computes it, over an inverted index held in flat arrays.

The arithmetic follows `org.apache.lucene.search.similarities.BM25Similarity` in float32, down to the lossy
document length of `SmallFloat`, because the order of near ties depends on it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K1 = np.float32(0.9)
B = np.float32(0.4)
_EXACT_LENGTHS = 24
"""Lengths below this survive `SmallFloat.intToByte4` unchanged."""


@dataclass(frozen=True)
class InvertedIndex:
    """Postings of a document collection in compressed sparse rows: one row a term.

    offsets: [terms + 1], where each term's postings start in the two arrays below.
    documents: [postings], document numbers, ascending within a term.
    saturation: [postings], 1 + tf / (k1 · (1 - b + b · |d| / average |d|)).
    idf: [terms].
    """

    vocabulary: dict[str, int]
    size: int
    offsets: NDArray[np.int64]
    documents: NDArray[np.int32]
    saturation: NDArray[np.float32]
    idf: NDArray[np.float32]

    def scores(self, terms: Iterable[str]) -> NDArray[np.float32]:
        """BM25 of every document, [size]; a term's count in the query is its boost.

        Each term adds idf - idf / saturation: float32 a term, summed in float64, as Lucene's scorers do.
        """
        known = [(self.vocabulary[term], n) for term, n in Counter(terms).items() if term in self.vocabulary]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        rows, counts = np.array(known).T
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        postings = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        weight = np.repeat(counts.astype(np.float32) * self.idf[rows], ends - starts)
        saturation = np.concatenate([self.saturation[each] for each in postings])
        documents = np.concatenate([self.documents[each] for each in postings])
        total = np.bincount(documents, weights=weight - weight / saturation, minlength=self.size)
        return total.astype(np.float32)

    def top(self, terms: Iterable[str], limit: int) -> NDArray[np.intp]:
        """The best `limit` matching documents, best first; ties go to the lower document number."""
        scores = self.scores(terms)
        found = np.flatnonzero(scores)
        if len(found) > limit:
            threshold = np.partition(scores[found], len(found) - limit)[len(found) - limit]
            found = found[scores[found] >= threshold]
        return found[np.argsort(-scores[found], kind="stable")][:limit]


def build_index(documents: Iterable[Sequence[str]]) -> InvertedIndex:
    """The index of documents given as their terms, numbered in the order they come."""
    vocabulary: dict[str, int] = {}
    rows, counts, distinct, lengths = array("i"), array("i"), array("i"), array("q")
    for terms in documents:
        frequencies = Counter(terms)
        rows.extend(vocabulary.setdefault(term, len(vocabulary)) for term in frequencies)
        counts.extend(frequencies.values())
        distinct.append(len(frequencies))
        lengths.append(len(terms))
    return _assemble(vocabulary, *(np.asarray(each) for each in (rows, counts, distinct, lengths)))


def _assemble(
    vocabulary: dict[str, int],
    rows: NDArray[np.int32],
    counts: NDArray[np.int32],
    distinct: NDArray[np.int32],
    lengths: NDArray[np.int64],
) -> InvertedIndex:
    """rows, counts: [postings] by document; distinct, lengths: [documents]."""
    order = np.argsort(rows, kind="stable")
    documents = np.repeat(np.arange(len(lengths), dtype=np.int32), distinct)[order]
    frequency = np.bincount(rows, minlength=len(vocabulary))
    saturation = np.float32(1) + counts[order].astype(np.float32) * _inverse_norms(lengths)[documents]
    return InvertedIndex(
        vocabulary=vocabulary,
        size=len(lengths),
        offsets=np.concatenate(([0], np.cumsum(frequency))),
        documents=documents,
        saturation=saturation,
        idf=np.log(1 + (len(lengths) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32),
    )


def _inverse_norms(lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """1 / (k1 · (1 - b + b · |d| / average |d|)) of each document, [documents]."""
    one = np.float32(1)
    average = np.float32(max(1, lengths.sum()) / max(1, len(lengths)))
    kept = np.array([stored_length(int(length)) for length in lengths], dtype=np.float32)
    return one / (K1 * ((one - B) + B * kept / average))


def stored_length(length: int) -> int:
    """The length that Lucene remembers: four significant bits above 24 (`SmallFloat.byte4ToInt`)."""
    if length < _EXACT_LENGTHS:
        return length
    excess = length - _EXACT_LENGTHS
    shift = max(0, excess.bit_length() - 4)
    return _EXACT_LENGTHS + (excess >> shift << shift)
