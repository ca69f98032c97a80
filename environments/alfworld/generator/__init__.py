"""New ALFWorld games, built from the rooms, affordances and rules of the installed alfworld package."""

from environments.alfworld.generator.source import GeneratedSource

__all__ = ["GeneratedSource"]
