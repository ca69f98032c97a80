"""The origin of an adapter: our own JSON file beside PEFT's files, which have no fields for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import CorruptDataError

ORIGIN_FILE = "hiper.json"


@dataclass(frozen=True)
class AdapterOrigin:
    """The base model, role and version of an adapter."""

    base_fingerprint: str
    role: str
    version: int

    def write(self, folder: Path) -> None:
        """Writes the origin into a PEFT folder."""
        (folder / ORIGIN_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")


def base_of(folder: Path) -> str | None:
    """Fingerprint of the base model that a PEFT folder's adapter was trained on; None if it is not recorded.

    Raises:
        CorruptDataError: the file exists but cannot be read.
    """
    path = folder / ORIGIN_FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return str(content["base_fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptDataError(f"{path} cannot be read: {error}") from error
