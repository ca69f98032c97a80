"""The deal of a batch's episodes into folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

OLDER = -1
"""Stands for earlier batches, which heads may always learn from."""


@dataclass(frozen=True, eq=False)
class Folds:
    """Parts of a batch; all prompts of an episode are in the same one."""

    count: int
    of_prompts: npt.NDArray[np.int64]
    """[P] fold of each prompt."""

    @classmethod
    def of(
        cls,
        episodes_of_prompts: npt.NDArray[np.int64],
        episodes: int,
        most: int,
        generator: np.random.Generator,
    ) -> Folds:
        """Deals out episodes at random and as evenly as possible, at most one fold an episode.

        Args:
            episodes_of_prompts: [P] place of each prompt's episode.
            episodes: Number of episodes.
            most: Largest number of folds.
            generator: Random generator.
        """
        count = min(most, episodes)
        dealt = generator.permutation(np.arange(episodes) % count)
        return cls(count, dealt[episodes_of_prompts])

    def without(self, fold: int) -> tuple[list[int], list[int]]:
        """The folds that heads for this one learn from, and one that chooses their penalty.

        With fewer than three folds, none is left to choose.
        """
        others = [other for other in range(self.count) if other != fold]
        if len(others) < 2:
            return [OLDER, *others], []
        chooses = (fold + 1) % self.count
        return [OLDER, *(other for other in others if other != chooses)], [chooses]

    @property
    def all_but_held_out(self) -> tuple[list[int], list[int]]:
        """The same for heads that learn from all folds."""
        return [OLDER, *range(1, self.count)], [0]
