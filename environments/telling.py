"""How a benchmark's observations and actions are shortened in prompts that show a whole episode."""

from __future__ import annotations


class Telling:
    """Leaves everything unchanged; benchmarks override the methods for which they know something shorter.

    The results depend on the arguments alone, so that one object serves all episodes.
    """

    def told(self, before: str, observation: str, goal: str) -> str:
        """The observation without the parts that the reader of the prompt knows already.

        Args:
            before: Observation of the turn before, on one line; empty if the prompt does not show it.
            observation: Observation on one line.
            goal: Task on one line, which the prompt states too.
        """
        return observation

    def follows(self, action: str) -> bool:
        """Whether it follows from the episode so far that `action` is possible, so that it is not listed."""
        return False

    def hidden(self, action: str) -> bool:
        """Whether `action` is kept from players although the environment accepts it."""
        return False

    def place(self, action: str) -> str:
        """The place that `action` goes to, else an empty string; nano prompts name the unvisited ones."""
        return ""
