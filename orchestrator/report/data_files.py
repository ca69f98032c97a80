"""Files that the report's page loads as scripts, which works without a server; read again as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from core.files import replace_file

FORMAT = 1
"""Version of the files; the page says so if it finds another."""
_BEFORE, _AFTER = "hiperReport(", ");\n"


def write_data(path: Path, content: dict[str, Any]) -> None:
    """Writes a script that gives the content to the page's function `hiperReport`.

    The content is JSON in ASCII, so that no text of an episode can end a string or the script.

    Raises:
        ExhaustedError: the disk is full.
    """
    content = {"format": FORMAT, **content}
    try:
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(content), separators=(",", ":"), allow_nan=False)
    replace_file(path, f"{_BEFORE}{text}{_AFTER}")


def read_data(path: Path) -> dict[str, Any] | None:
    """The content of a file of this format; None if there is none, or it is torn or of another format."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text.removeprefix(_BEFORE).removesuffix(_AFTER))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def _finite(content: Any) -> Any:
    """The content with None in place of infinities and NaN, which JSON does not have."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
