"""Configuration files in TOML: reading and writing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from configuration.keys import nearest
from core.errors import ConfigurationError
from core.paths import user_path

PRESETS = Path(__file__).parents[1] / "presets"
"""Configuration files of this repository; a wheel has them beside this folder, too."""


def chosen_file(text: str) -> Path:
    """The file that `--config` names: relative to where the command was typed, or else one of the presets.

    Raises:
        ConfigurationError: the file does not exist; the message lists the presets.
    """
    path = user_path(text)
    if path.exists() and not path.is_dir():
        return path
    presets = {f"presets/{file.name}": file for file in sorted(PRESETS.glob("*.toml"))}
    if text in presets:
        return presets[text]
    accepted = "a TOML file" + (f", such as one of the presets: {', '.join(presets)}" if presets else "")
    raise ConfigurationError(
        f"--config {text}: there is no file {path}.{nearest(text, list(presets))} Accepted is {accepted}"
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        ConfigurationError: the file does not exist, or is not TOML; the message names line and column.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def to_toml(section: BaseModel) -> str:
    """The tree as TOML that `read_toml` can read; values that are not set are left out."""
    # Imported here, because //environments/webshop:nouns runs in the user's own Python, which may lack it.
    import tomli_w

    return tomli_w.dumps(_without_none(section.model_dump(mode="json")))


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }
