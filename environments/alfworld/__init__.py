"""ALFWorld as text: our own engine for its game files, TextWorld to check it against, and a generator."""

from environments.alfworld.benchmark import AlfworldBenchmark, load

__all__ = ["AlfworldBenchmark", "load"]
