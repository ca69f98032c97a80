"""The episode store: once each, on disk, and safe to open again."""

import sqlite3

import pytest

from core.errors import (
    CorruptDataError,
    ExhaustedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from tests.learner.service.episodes import episode
from tests.small_disk import files_of_at_most
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
    assert store._file.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._file.connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_summaries_come_in_the_order_of_the_run(store):
    for number in (2, 0, 1):
        store.add(episode(number, turns=number + 1))
    assert [(s.number, s.turns, s.won, s.ending) for s in store.summaries()] == [
        (0, 1, True, "won"),
        (1, 2, True, "won"),
        (2, 3, True, "won"),
    ]


def test_advantages_are_kept_for_each_turn_and_replaced_by_a_repeated_update(store):
    store.add(episode(0, turns=2))
    assert store.advantages(0) == ()
    store.set_advantages(0, [TurnAdvantages(9.0, 9.0, 9.0), TurnAdvantages(9.0, 9.0, None)])
    valued = TurnAdvantages(1.0, 1.0, 1.0, TurnValues(1.0, 2.0, 3.0))
    store.set_advantages(0, [valued, valued])
    assert store.advantages(0) == (valued, valued)
    two_heads = TurnAdvantages(-0.5, 0.0, 0.25, TurnValues(4.0, 5.0, None))
    kept = (TurnAdvantages(0.5, 1.0, None), two_heads)
    store.set_advantages(0, kept)
    assert store.advantages(0) == kept


def test_a_store_of_an_earlier_version_has_advantages_without_values(tmp_path):
    path = tmp_path / "old.sqlite"
    old = EpisodeStore(path, "run")
    old.add(episode(0, turns=1))
    old.set_advantages(0, [TurnAdvantages(0.5, 1.0, None, TurnValues(1.0, 2.0, None))])
    old._file.connection.execute("DROP TABLE turn_values")
    old.close()
    assert EpisodeStore.reading(path).advantages(0) == (TurnAdvantages(0.5, 1.0, None),)
    opened = EpisodeStore(path, "run")
    opened.set_advantages(0, [TurnAdvantages(0.5, 1.0, None, TurnValues(1.0, 2.0, None))])
    assert opened.advantages(0)[0].values == TurnValues(1.0, 2.0, None)


def test_an_episode_that_is_not_there_is_named(store):
    with pytest.raises(NotFoundError, match="no episode 7"):
        store.load([7])


def test_a_full_disk_is_an_error_of_its_own_and_stores_nothing(store):
    pages = store._file.connection.execute("PRAGMA page_count").fetchone()[0]
    store._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ExhaustedError, match="episodes.sqlite cannot be written"):
        store.add(episode(0, turns=200))
    store._file.connection.execute("PRAGMA max_page_count = 1000000")
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


def test_a_store_that_a_crash_left_unfinished_is_made_again(tmp_path):
    """Versions before made the file in place, so that a kill could leave it without a run."""
    path = tmp_path / "episodes.sqlite"
    for left in ("", "CREATE TABLE run (format INTEGER, run_id TEXT)", _OLD_EMPTY_STORE):
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        database.executescript(left)
        database.close()
        opened = EpisodeStore.of_run(path, "new")
        assert opened.run_id == "new"
        assert opened.add(episode(0, run_id="new"))
        opened.close()


_OLD_EMPTY_STORE = """
CREATE TABLE run (format INTEGER NOT NULL, run_id TEXT NOT NULL);
CREATE TABLE episodes (number INTEGER PRIMARY KEY, message BLOB NOT NULL);
INSERT INTO run VALUES (1, '');
"""


def test_opening_a_store_never_changes_it(tmp_path):
    path = tmp_path / "episodes.sqlite"
    sqlite3.connect(path).close()
    for opened in (EpisodeStore, EpisodeStore.reading):
        with pytest.raises(CorruptDataError, match="not an episode store"):
            opened(path)
    assert path.read_bytes() == b""


def test_a_reader_sees_what_a_writer_stores_and_cannot_write(store, tmp_path):
    reader = EpisodeStore.reading(tmp_path / "episodes.sqlite")
    store.add(episode(0))
    assert reader.numbers() == {0}
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.add(episode(1))
    reader.close()
    assert store.numbers() == {0}


def test_a_store_of_another_run_is_found_and_not_replaced(store, tmp_path):
    store.add(episode(0))
    again = EpisodeStore.of_run(tmp_path / "episodes.sqlite", "another")
    assert (again.run_id, again.numbers()) == ("run", {0})
    again.close()


def test_while_another_process_holds_the_lock_the_store_is_unavailable(store, tmp_path, monkeypatch):
    monkeypatch.setattr("run_folder.store_file._LOCK_SECONDS", 0.01)
    waiting = EpisodeStore(tmp_path / "episodes.sqlite")
    store._file.connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError, match="lock"):
        waiting.add(episode(0))
    store._file.connection.execute("ROLLBACK")
    assert waiting.add(episode(0))
    waiting.close()
