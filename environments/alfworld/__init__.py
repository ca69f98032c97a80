"""ALFWorld in text: an engine of ours for its game files, the stock engine as oracle, and new games."""

from environments.alfworld.benchmark import AlfworldBenchmark, load

__all__ = ["AlfworldBenchmark", "load"]
