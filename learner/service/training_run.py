"""Connects the parts of a run of the learner."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from core.progress import Progress
from learner.service.admission import Admission
from learner.service.batch import BatchReader
from learner.service.gate import Schedule
from learner.service.lineage import Lineage
from learner.service.persistence import Persistence
from learner.service.publication import Publication
from learner.service.published import PublishedAdapters
from learner.service.run_parts import Publisher, Trainer
from learner.service.status import StatusBoard
from learner.service.stopwatch import Stopwatch
from learner.service.training_loop import TrainingLoop
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsSink
from run_folder.store import EpisodeStore
from serving.adapters.pair import AdapterPair


@dataclass(frozen=True)
class TrainingRun:
    """The parts that the gRPC services call, and the training loop, which runs beside the services."""

    admission: Admission
    status: StatusBoard
    loop: TrainingLoop

    @classmethod
    def of(
        cls,
        folder: RunFolder,
        schedule: Schedule,
        store: EpisodeStore,
        make_trainer: Callable[[], Trainer],
        warm_start: Callable[[Progress], AdapterPair | None],
        publisher: Publisher,
        vocabulary: int,
        final_prompts: bool = False,
        clock: Callable[[], float] = time.monotonic,
        keep_checkpoints: int = 3,
        epoch: int = 0,
        sinks: Sequence[MetricsSink] = (),
    ) -> Self:
        """The run in `folder`, whose `store` is open; it continues from what is there once its loop runs.

        Episodes with token ids from `vocabulary` on are refused. If the estimator needs `final_prompts`,
        stored episodes without them are not trained on. `epoch` counts the learner's starts.
        """
        status = StatusBoard(store.run_id, schedule)
        published = PublishedAdapters(epoch)
        admission = Admission(schedule, store, status, vocabulary, clock, published)
        loop = TrainingLoop(
            schedule=schedule,
            folder=folder,
            store=store,
            batches=BatchReader(store, vocabulary, final_prompts, Lineage(folder, published)),
            make_trainer=make_trainer,
            warm_start=warm_start,
            admission=admission,
            persistence=Persistence(folder, keep_checkpoints, sinks),
            publication=Publication(folder, publisher, status, published),
            status=status,
            stopwatch=Stopwatch(clock),
        )
        return cls(admission, status, loop)
