"""The batch of an update: stored episodes that can be trained on, and those that are set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import CorruptDataError
from learner.service.lineage import Lineage
from run_folder.store import EpisodeStore
from trajectory.episode import Episode
from trajectory.validation import EpisodeError, check
from trajectory.wire import episode_from_pb


@dataclass(frozen=True)
class Batch:
    """The stored episodes of an update."""

    episodes: tuple[Episode, ...]
    """Those to train on, in the order of their places; may be empty."""
    set_aside: dict[int, str]
    """Reason by place, for the others."""


@dataclass(frozen=True)
class BatchReader:
    """Reads batches, and checks each episode again: an earlier version may have stored what is refused
    now."""

    store: EpisodeStore
    vocabulary: int
    """Number of token ids of the base model."""
    final_prompts: bool
    """Whether the estimator needs the prompts at the final observation of episodes that ran out of turns."""
    lineage: Lineage
    """Check that the run's own adapters have answered."""

    def read(self, numbers: Sequence[int], version: int) -> Batch:
        """The episodes at these places, for the update of `version`.

        Raises:
            NotFoundError: names the first place that has none.
        """
        episodes, known = [], self.store.those_set_aside()
        set_aside = {number: known[number] for number in numbers if number in known}
        for number in numbers:
            if number in known:
                continue
            try:
                episodes.append(self._checked(number, version))
            except (EpisodeError, CorruptDataError) as error:
                set_aside[number] = str(error)
        return Batch(tuple(episodes), set_aside)

    def given_up(self, version: int, first: int) -> dict[int, str]:
        """The reason for each place from `first` on that no update may use after `version` is restored."""
        found = {}
        for number in sorted(self.store.numbers() - self.store.those_set_aside().keys()):
            if number < first:
                continue
            try:
                self.lineage.check_restored(self.store.message(number), version)
            except EpisodeError as error:
                found[number] = str(error)
            except CorruptDataError:
                continue  # told when its batch is read
        return found

    def _checked(self, number: int, version: int) -> Episode:
        message = self.store.message(number)
        check(message, self.vocabulary)
        self.lineage.check(message, version)
        if message.number != number:
            raise EpisodeError(f"number: {message.number} is stored in place {number}")
        lacks = not message.final_planner_prompt_ids or not message.final_executor_prompt_ids
        if self.final_prompts and not message.terminated and lacks:
            raise EpisodeError("estimator.bootstrap = final needs the prompts at the final observation")
        return episode_from_pb(message)
