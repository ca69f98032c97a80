"""Reads the elements of a large JSON file one by one: the full catalogue has gigabytes of text.

Uses the standard library's decoder, because the published files may hold `NaN`, which streaming parsers
refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from environments.errors import EnvironmentDataError

CHUNK = 1 << 22
_BLANK = " \t\r\n"
_decoder = json.JSONDecoder()


class _Reader:
    def __init__(self, file: TextIO, path: Path) -> None:
        self._file, self._path = file, path
        self._text, self._at = "", 0

    def _more(self) -> bool:
        try:
            chunk = self._file.read(CHUNK)
        except UnicodeDecodeError as error:
            raise self.broken("is not UTF-8 text") from error
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)

    def broken(self, what: str) -> EnvironmentDataError:
        return EnvironmentDataError(f"{self._path} {what}; it is truncated or not a WebShop file")

    def mark(self) -> str:
        """Consumes and returns the next character that is not blank."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                self._at += 1
                return self._text[self._at - 1]
            if not self._more():
                raise self.broken("ends too early")

    def value(self) -> Any:
        """Consumes and returns the next JSON value."""
        self.mark()
        self._at -= 1
        while True:
            # A value that is cut off at the end of the text looks broken: it is decoded again from its start
            # with more text. Chunks are large, so that this is rare.
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self.broken("is nested too deeply") from error
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self.broken("holds broken JSON or ends too early") from error
                continue
            length = end - self._at
            # What is left of a number that is cut off may be a number too: 5 of 5.1, or of 5e+1.
            if isinstance(value, int | float) and len(self._text) - end <= len("e+") and self._more():
                continue
            self._at += length
            return value

    def back(self) -> None:
        self._at -= 1

    def end(self) -> None:
        """Checks that nothing but blanks is left."""
        while not (rest := self._text[self._at :].strip(_BLANK)) and self._more():
            self._at = 0
        if rest:
            raise self.broken(f"has {rest[0]!r} after its end")


def array_elements(path: Path) -> Iterator[Any]:
    """The elements of the JSON array in the file; `EnvironmentDataError` if it does not hold one."""
    with path.open(encoding="utf-8") as file:
        reader = _Reader(file, path)
        yield from (reader.value() for _ in _separators(reader, "[", "]"))


def object_items(path: Path) -> Iterator[tuple[str, Any]]:
    """The keys and values of the JSON object in the file; `EnvironmentDataError` if it does not hold one."""
    with path.open(encoding="utf-8") as file:
        reader = _Reader(file, path)
        for _ in _separators(reader, "{", "}"):
            key = reader.value()
            if not isinstance(key, str) or reader.mark() != ":":
                raise reader.broken("holds broken JSON")
            yield key, reader.value()


def _separators(reader: _Reader, opening: str, closing: str) -> Iterator[None]:
    """Yields once before each element, and checks the brackets and commas around them."""
    if reader.mark() != opening:
        raise reader.broken(f"does not start with '{opening}'")
    if (mark := reader.mark()) != closing:
        reader.back()
        yield
        while (mark := reader.mark()) == ",":
            yield
    if mark != closing:
        raise reader.broken(f"has {mark!r} where ',' or '{closing}' was expected")
    reader.end()
