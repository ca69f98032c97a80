"""Counts what this process has played, for the display and the final table."""

from __future__ import annotations

import time
from collections.abc import Callable

from run_folder import metric_names as names
from run_folder.metrics import Metrics
from trajectory.episode import Episode, Turn
from trajectory.learner_status import LearnerStatus, Phase

Clock = Callable[[], float]


class Tally:
    """Running sums over all episodes; seconds are wall time unless stated otherwise."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._active = 0
        self._playing_since = 0.0
        self._played = 0.0
        self._first_gathering: tuple[int, float] | None = None
        self._last_update: tuple[int, float] | None = None
        self.episodes = 0
        """Number of episodes that the learner has acknowledged."""
        self.wins = 0
        self.turns = 0
        self.tokens = 0
        """Number of tokens sampled by both models."""
        self.turn_seconds = 0.0
        """Sum of the turns' durations; turns of different episodes overlap."""
        self.engine_seconds = 0.0
        self.environment_seconds = 0.0
        self.planner_version: int | None = None
        self.executor_version: int | None = None
        self.stopping = False
        """Whether the run is to end after the current update."""
        self.stop_unconfirmed = False
        """Whether the learner could not be asked to stop yet."""
        self.status: LearnerStatus | None = None
        self.metrics: dict[int, Metrics] = {}
        """Metrics of each update that was seen, by the version that it made."""

    @property
    def set_aside(self) -> int:
        """Number of episodes of the updates seen here that were not trained on."""
        return int(sum(line.get(names.SET_ASIDE, 0) for line in self.metrics.values()))

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began

    @property
    def playing_seconds(self) -> float:
        """Seconds during which at least one episode was being played."""
        return self._played + (self._clock() - self._playing_since if self._active else 0.0)

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds for the remaining updates, at the pace so far; None before the first one."""
        if self._first_gathering is None or self._last_update is None or self.status is None:
            return None
        (first, began), (done, ended) = self._first_gathering, self._last_update
        if done == first:
            return None
        step = (ended - began) / (done - first)
        return max((self.status.updates_total - done) * step - (self._clock() - ended), 0.0)

    def episode_began(self) -> None:
        """Counts an episode that is being played from now on."""
        if not self._active:
            self._playing_since = self._clock()
        self._active += 1

    def episode_left(self) -> None:
        """Counts an episode that is no longer being played, whether it was finished or not."""
        self._active -= 1
        if not self._active:
            self._played += self._clock() - self._playing_since

    def turn(self, turn: Turn) -> None:
        """Adds a turn to the sums."""
        plan, act = turn.plan.generation, turn.act.generation
        self.turns += 1
        self.tokens += len(plan.token_ids) + len(act.token_ids)
        self.turn_seconds += turn.seconds
        self.engine_seconds += plan.engine_seconds + act.engine_seconds
        self.environment_seconds += turn.environment_seconds
        self.planner_version, self.executor_version = plan.adapter_version, act.adapter_version

    def episode(self, episode: Episode) -> None:
        """Counts an episode that the learner has acknowledged."""
        self.episodes += 1
        self.wins += episode.won

    def learner(self, status: LearnerStatus) -> None:
        """Keeps the learner's status and metrics."""
        self.status = status
        self._time(status)
        if names.ADAPTER_VERSION in status.metrics:
            self.metrics[int(status.metrics[names.ADAPTER_VERSION])] = dict(status.metrics)

    def _time(self, status: LearnerStatus) -> None:
        if status.phase in (Phase.STARTING, Phase.UNKNOWN) or status.version < 0:
            return
        # Timed from the first phase after the start: a resumed run has done updates that took no time here.
        now = status.updates_done, self._clock()
        self._first_gathering = self._first_gathering or now
        if self._last_update is None or status.updates_done > self._last_update[0]:
            self._last_update = now
