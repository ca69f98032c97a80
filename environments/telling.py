"""How a benchmark's texts are told in prompts that show a whole episode."""

from __future__ import annotations


class Telling:
    """Tells everything as it is; a benchmark that knows better overrides what it knows.

    The methods depend on their arguments alone, so that one object serves all episodes.
    """

    def told(self, before: str, observation: str, goal: str) -> str:
        """`observation` without what its reader knows already.

        Args:
            before: The observation of the turn before in one line; empty where the prompt does not show it.
            observation: The observation in one line.
            goal: The task in one line, which the prompt states.
        """
        return observation

    def follows(self, action: str) -> bool:
        """Whether a reader of the whole episode knows that `action` is possible, so that it is not listed."""
        return False

    def hidden(self, action: str) -> bool:
        """Whether players are not told that `action` is possible, though the environment accepts it."""
        return False

    def place(self, action: str) -> str:
        """The place that `action` goes to, empty for other actions; the nano format names the new ones."""
        return ""
