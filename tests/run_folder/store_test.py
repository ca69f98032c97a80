"""The episode store: once each, on disk, and safe to open again."""

import sqlite3

import pytest

from core.errors import CorruptDataError, ExhaustedError, NotFoundError, PreconditionError
from run_folder.store import EpisodeStore, TurnAdvantages
from tests.learner.service.episodes import episode
from tests.learner.small_disk import files_of_at_most
from trajectory.wire import episode_from_pb


@pytest.fixture
def store(tmp_path):
    store = EpisodeStore(tmp_path / "episodes.sqlite", "run")
    yield store
    store.close()


def test_an_episode_is_stored_once_whatever_is_retried(store):
    assert store.add(episode(4))
    assert not store.add(episode(4))
    assert not store.add(episode(4, attempt=1))
    assert store.numbers() == {4}
    assert store.load([4]) == (episode_from_pb(episode(4)),)


def test_what_was_acknowledged_is_there_for_another_process_without_closing(store, tmp_path):
    store.add(episode(0))
    other = EpisodeStore(tmp_path / "episodes.sqlite")
    assert other.run_id == "run"
    assert other.numbers() == {0}
    other.close()


def test_the_file_is_written_through_before_an_acknowledgement(store):
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_summaries_come_in_the_order_of_the_run(store):
    for number in (2, 0, 1):
        store.add(episode(number, turns=number + 1))
    assert [(s.number, s.turns, s.won) for s in store.summaries()] == [
        (0, 1, True),
        (1, 2, True),
        (2, 3, True),
    ]


def test_advantages_are_kept_for_each_turn_and_replaced_by_a_repeated_update(store):
    store.add(episode(0, turns=2))
    assert store.advantages(0) == ()
    store.set_advantages(0, [TurnAdvantages(9.0, 9.0, 9.0), TurnAdvantages(9.0, 9.0, None)])
    kept = (TurnAdvantages(0.5, 1.0, None), TurnAdvantages(-0.5, 0.0, 0.25))
    store.set_advantages(0, kept)
    assert store.advantages(0) == kept


def test_an_episode_that_is_not_there_is_named(store):
    with pytest.raises(NotFoundError, match="no episode 7"):
        store.load([7])


def test_a_full_disk_is_an_error_of_its_own_and_stores_nothing(store):
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ExhaustedError, match="episodes.sqlite cannot be written"):
        store.add(episode(0, turns=200))
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert store.numbers() == frozenset()
    assert store.add(episode(0, turns=200))


def test_a_disk_that_refuses_to_let_the_file_grow_is_full_too(store, tmp_path):
    with files_of_at_most(4096):
        with pytest.raises(ExhaustedError, match="episodes.sqlite cannot be written"):
            store.add(episode(0, turns=200))
        with pytest.raises(ExhaustedError, match="new.sqlite cannot be written"):
            EpisodeStore(tmp_path / "new.sqlite", "run")
    assert store.numbers() == frozenset()
    assert store.add(episode(0, turns=200))


def test_another_run_or_format_or_file_is_refused(tmp_path):
    path = tmp_path / "episodes.sqlite"
    EpisodeStore(path, "run").close()
    with pytest.raises(PreconditionError, match="holds run run, not other"):
        EpisodeStore(path, "other")
    db = sqlite3.connect(path)
    db.execute("UPDATE run SET format = 99")
    db.commit()
    db.close()
    with pytest.raises(PreconditionError, match="format 99"):
        EpisodeStore(path, "run")
    (tmp_path / "junk").write_bytes(b"no database at all" * 100)
    with pytest.raises(CorruptDataError, match="junk"):
        EpisodeStore(tmp_path / "junk", "run")
    with pytest.raises(NotFoundError):
        EpisodeStore(tmp_path / "absent")
