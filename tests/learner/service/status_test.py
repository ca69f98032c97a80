"""The learner's status: changed by several threads, read as one value."""

from __future__ import annotations

import threading

from learner.service.status import StatusBoard
from tests.learner.service.runs import SCHEDULE
from trajectory.learner_status import Phase


def test_a_run_begins_without_a_version() -> None:
    now = StatusBoard("run", SCHEDULE).now
    assert (now.run_id, now.phase, now.version) == ("run", Phase.STARTING, -1)
    assert (now.updates_done, now.updates_total, now.metrics) == (0, 2, {})


def test_a_published_version_says_how_many_updates_and_episodes_it_took() -> None:
    status = StatusBoard("run", SCHEDULE)
    status.published(2)
    assert (status.now.version, status.now.updates_done, status.now.episodes_trained) == (2, 2, 4)


def test_progress_changes_the_message_and_not_the_phase() -> None:
    status = StatusBoard("run", SCHEDULE)
    status.show(Phase.UPDATING, "update 1")
    status.report(0.25, "values")
    assert (status.now.phase, status.now.message, status.now.progress) == (Phase.UPDATING, "values", 0.25)
    status.show(Phase.PUBLISHING, "version 1 goes to the servers")
    assert status.now.progress == 0.0


def test_metrics_that_were_shown_do_not_change_with_their_dictionary() -> None:
    status, metrics = StatusBoard("run", SCHEDULE), {"critic/loss": 1.0}
    status.updated(metrics)
    metrics["critic/loss"] = 2.0
    assert status.now.metrics == {"critic/loss": 1.0}


def test_no_change_is_lost_between_threads() -> None:
    status = StatusBoard("run", SCHEDULE)
    begin = threading.Barrier(2)

    def report() -> None:
        begin.wait()
        for step in range(3000):
            status.report(step / 3000, "values")

    def count() -> None:
        begin.wait()
        for number in range(3000):
            status.count(number, 0)
            assert status.now.episodes_stored == number

    failures: list[BaseException] = []

    def counted() -> None:
        try:
            count()
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=report), threading.Thread(target=counted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert (status.now.episodes_stored, status.now.progress) == (2999, 2999 / 3000)
