"""Texts of tokens, from the tokenizers of a run's models, as far as these are on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from core.errors import HiperError
from core.paths import user_path
from core.role import Role
from serving.bundled_model import bundled_folder
from serving.model import BUNDLED

_FILE = "tokenizer.json"


class TokenTexts:
    """The text of each token of a model; `#` and the id without its tokenizer."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    @property
    def known(self) -> bool:
        """Whether there is a tokenizer."""
        return self._tokenizer is not None

    def of(self, ids: Sequence[int]) -> list[str]:
        """The texts of these tokens, one by one; bytes that are not a whole character become `\\ufffd`."""
        known = self._known
        for each in ids:
            if each not in known:
                known[each] = self._text(each)
        return [known[each] for each in ids]

    def _text(self, token: int) -> str:
        text = self._tokenizer.decode([token], skip_special_tokens=False) if self._tokenizer else ""
        return text or f"#{token}"


def token_texts(configuration: Mapping[str, Any]) -> dict[Role, TokenTexts]:
    """The texts of both roles' tokens, by a run's configuration. Nothing is downloaded or converted."""
    names = {role: _model(configuration, role) for role in Role}
    tokenizers = {name: _tokenizer(name) for name in set(names.values())}
    return {role: TokenTexts(tokenizers[name]) for role, name in names.items()}


def _model(configuration: Mapping[str, Any], role: Role) -> str | None:
    section = configuration.get(role.value)
    name = section.get("model") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) else None


def _tokenizer(model: str | None) -> Tokenizer | None:
    path = None if model is None else _file(model)
    if path is None or not path.is_file():
        return None
    try:
        return Tokenizer.from_file(str(path))
    except Exception:  # The library raises plain exceptions; without the file, tokens are shown by their ids.
        return None


def _file(model: str) -> Path | None:
    if model == BUNDLED:
        return bundled_folder() / _FILE
    try:
        folder = user_path(model)
    except HiperError:
        return None
    return folder / _FILE if folder.is_dir() else _from_cache(model)


def _from_cache(hub_id: str) -> Path | None:
    """The file in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub_id, _FILE)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
