"""A tiny model that reads bytes, for tests of teaching."""

from __future__ import annotations

from pathlib import Path

from configuration.servers import PlannerSettings
from serving.model import ModelFolder
from tests.byte_tokenizer import byte_tokenizer
from tests.learner.tiny import tiny_model

SERVER = PlannerSettings(context_length=2048, max_new_tokens=64, history=1)
"""Settings of a server that its prompts fit into."""


def byte_model(folder: Path) -> ModelFolder:
    """Writes the model and its tokenizer to an empty folder."""
    byte_tokenizer().save_pretrained(folder)
    return tiny_model(folder, words=300, context=SERVER.context_length)
