"""Computes the nouns of all product titles once, with spaCy, which is not needed for playing.

    python -m environments.webshop.nouns items_shuffle.json [--out title_nouns.json] [--model en_core_web_sm]

The reward compares the nouns and proper nouns of titles, as spaCy's en_core_web_sm tags them. It is up to the
user to install spaCy and its model, so this runs in the user's Python rather than in Bazel's. The file is
written beside the products, where the benchmark looks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.progress import track

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from configuration.syntax import Argument
from environments import command
from environments.errors import BenchmarkError, MissingDependencyError
from environments.webshop.json_stream import array_elements
from environments.webshop.products import distinct_records

MODEL = "en_core_web_sm"
_KINDS = frozenset({"NOUN", "PROPN"})
_BATCH = 256


def title_nouns(titles: Iterable[tuple[str, str]], model: str) -> Iterator[tuple[str, list[str]]]:
    """The lower-cased nouns of each title, in order and with repeats.

    Args:
        titles: Pairs of a key and a title.
        model: Name or folder of a spaCy model.

    Yields:
        The key and the nouns.

    Raises:
        MissingDependencyError: spaCy or the model is not installed.
    """
    try:
        import spacy

        tagger = spacy.load(model, exclude=["ner", "lemmatizer"])
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"title nouns need spaCy and its model {model}: "
            f"pip install spacy && python -m spacy download {MODEL}"
        ) from error
    pairs = ((title, key) for key, title in titles)
    for parsed, key in tagger.pipe(pairs, as_tuples=True, batch_size=_BATCH):
        yield key, [token.text.lower() for token in parsed if token.pos_ in _KINDS]


class Flags(Section):
    """Options of this command alone."""

    out: Path | None = None
    """File to write; title_nouns.json beside the products unless given."""
    model: str = MODEL
    """Name or folder of a spaCy model."""


SYNTAX = command.syntax(
    "nouns",
    "Computes the nouns of all product titles.",
    Flags,
    (Argument("PRODUCTS", "the file items_shuffle*.json", key="environment.data"),),
)


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    products = command.existing_file(line.configuration.environment.data or "")
    out = line.flags.out or products.parent / "title_nouns.json"
    try:
        records = distinct_records(array_elements(products))
        titles = ((record["asin"], record["name"]) for record in track(records, "Products"))
        out.write_text(json.dumps(dict(title_nouns(titles, line.flags.model))))
    except OSError as error:
        raise BenchmarkError(str(error)) from error
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    run(main)
