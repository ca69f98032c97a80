"""Computes the nouns of all product titles once, with spaCy, which is not needed for playing.

    python -m environments.webshop.nouns items_shuffle.json [--out title_nouns.json] [--model en_core_web_sm]

The reward compares the nouns and proper nouns of titles, as spaCy's en_core_web_sm tags them. It is up to the
user to install spaCy and its model, so this runs in the user's Python rather than in Bazel's. The file is
written beside the products, where the benchmark looks for it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.progress import track

from core.paths import user_path
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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Computes the nouns of all product titles.")
    parser.add_argument("products", type=user_path, help="items_shuffle*.json")
    parser.add_argument("--out", type=user_path, help="default: title_nouns.json beside the products")
    parser.add_argument(
        "--model", default=MODEL, help="name or folder of a spaCy model (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    out: Path = options.out or options.products.parent / "title_nouns.json"
    if not options.products.is_file():
        parser.error(f"there is no file {options.products}")
    try:
        records = distinct_records(array_elements(options.products))
        titles = ((record["asin"], record["name"]) for record in track(records, "Products"))
        out.write_text(json.dumps(dict(title_nouns(titles, options.model))))
    except (BenchmarkError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
