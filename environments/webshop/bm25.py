"""BM25 as Lucene 9 computes it, with an inverted index in flat arrays.

The arithmetic is that of `org.apache.lucene.search.similarities.BM25Similarity` in float32, including the
rounded document lengths of `SmallFloat`: the order of products with nearly equal scores depends on it.
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
"""Parameters of BM25 in the reference."""
_EXACT_LENGTHS = 24
"""Lengths below this are kept exactly by `SmallFloat.intToByte4`."""


@dataclass(frozen=True)
class InvertedIndex:
    """Postings of a document collection as compressed sparse rows, one row per term."""

    vocabulary: dict[str, int]
    """Row of each term."""
    size: int
    """Number of documents."""
    offsets: NDArray[np.int64]
    """[terms + 1] start of each term's postings in the two arrays below."""
    documents: NDArray[np.int32]
    """[postings] document numbers, ascending within a term."""
    saturation: NDArray[np.float32]
    """[postings] 1 + tf / (k1 · (1 - b + b · |d| / average |d|))."""
    idf: NDArray[np.float32]
    """[terms] log(1 + (N - df + 0.5) / (df + 0.5)), with df of N documents holding the term."""

    def scores(self, terms: Iterable[str]) -> NDArray[np.float32]:
        """BM25 of every document, [size]; each term counts as often as it occurs in the query.

        A term adds idf - idf / saturation. As in Lucene's scorers, each term's score is computed in float32
        and the scores of a document are added up in float64.
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
        """The best `limit` matching documents, best first; among ties, lower document numbers come first."""
        scores = self.scores(terms)
        found = np.flatnonzero(scores)
        # Sorting only what can be among the best: a common word matches most of the million documents.
        if len(found) > limit:
            threshold = np.partition(scores[found], len(found) - limit)[len(found) - limit]
            found = found[scores[found] >= threshold]
        return found[np.argsort(-scores[found], kind="stable")][:limit]


def build_index(documents: Iterable[Sequence[str]]) -> InvertedIndex:
    """The index of documents, each given as its terms; documents are numbered in the given order."""
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
    """Sorts the postings by term.

    Args:
        vocabulary: Row of each term.
        rows: [postings] row of the term, document after document.
        counts: [postings] occurrences of the term in the document.
        distinct: [documents] number of postings of each.
        lengths: [documents] number of terms with repeats.
    """
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
    # Like Lucene: the average over exact lengths, but rounded lengths of the documents.
    average = np.float32(max(1, lengths.sum()) / max(1, len(lengths)))
    kept = np.array([stored_length(int(length)) for length in lengths], dtype=np.float32)
    return one / (K1 * ((one - B) + B * kept / average))


def stored_length(length: int) -> int:
    """The length as Lucene stores it, rounded to four significant bits above 24 (`SmallFloat.byte4ToInt`)."""
    if length < _EXACT_LENGTHS:
        return length
    excess = length - _EXACT_LENGTHS
    shift = max(0, excess.bit_length() - 4)
    return _EXACT_LENGTHS + (excess >> shift << shift)
