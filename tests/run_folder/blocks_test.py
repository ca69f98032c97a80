"""Blocks of episodes: stamps that show every change, and what is left of a damaged store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from run_folder.blocks import EpisodeBlocks
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages, TurnValues
from tests.orchestrator.progress.moments import episode
from trajectory.wire import episode_to_pb

SIZE = 4
ADVANTAGES = [TurnAdvantages(0.5, 1.5, None), TurnAdvantages(-0.25, 0.0, 2.0, TurnValues(1.0, 2.0, 3.0))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten episodes; an update has used the first."""
    store = EpisodeStore(tmp_path / "episodes.sqlite", "run")
    for number in range(10):
        store.add(episode_to_pb(replace(episode(number), goal=f"goal {number} " + "x" * 3000)))
    store.set_advantages(0, ADVANTAGES)
    store.close()
    return tmp_path / "episodes.sqlite"


@pytest.fixture
def blocks(path: Path) -> Iterator[EpisodeBlocks]:
    store = EpisodeBlocks(path)
    yield store
    store.close()


def test_a_block_has_its_episodes_with_all_that_is_known_of_them(path: Path, blocks: EpisodeBlocks) -> None:
    with contextlib.closing(EpisodeStore(path)) as store:
        store.set_aside({2: "too long"})
    found = blocks.block(0, SIZE)
    assert [(one.number, one.task_id, one.set_aside) for one in found] == [
        (0, "task", None),
        (1, "task", None),
        (2, "task", "too long"),
        (3, "task", None),
    ]
    assert found[0].advantages == tuple(ADVANTAGES) and found[1].advantages == ()
    assert found[3].message is not None and found[3].message.goal.startswith("goal 3 ")
    assert [one.number for one in blocks.block(2, SIZE)] == [8, 9]
    assert blocks.block(7, SIZE) == []


def test_a_place_that_was_set_aside_without_an_episode_has_only_its_reason(
    path: Path, blocks: EpisodeBlocks
) -> None:
    with contextlib.closing(EpisodeStore(path)) as store:
        store.set_aside({13: "the environment broke"})
    (found,) = blocks.block(3, SIZE)
    assert (found.number, found.message, found.set_aside, found.played) == (
        13,
        None,
        "the environment broke",
        False,
    )
    stamps = blocks.stamps(SIZE)
    assert stamps.by_block.keys() == {0, 1, 2, 3} and stamps.episodes == 10
    assert blocks.reasons() == {13: "the environment broke"}


def add(store: EpisodeStore) -> None:
    store.add(episode_to_pb(episode(11)))


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (add, {2}),
        (lambda store: store.set_advantages(5, ADVANTAGES), {1}),
        (lambda store: store.set_advantages(0, [replace(ADVANTAGES[0], low=0.75), ADVANTAGES[1]]), {0}),
        (
            lambda store: store.set_advantages(
                0, [ADVANTAGES[0], replace(ADVANTAGES[1], values=TurnValues(1.0, 2.5, 3.0))]
            ),
            {0},
        ),
        (lambda store: store.set_aside({8: "too long"}), {2}),
        (lambda store: store.set_advantages(0, ADVANTAGES), set()),
    ],
    ids=["episode", "advantages", "other advantages", "other values", "set aside", "the same again"],
)
def test_the_stamps_of_what_changed_change(
    path: Path, blocks: EpisodeBlocks, change: Callable[[EpisodeStore], None], changed: set[int]
) -> None:
    before = blocks.stamps(SIZE).by_block
    seen = blocks.changes()
    assert blocks.changes() == seen
    with contextlib.closing(EpisodeStore(path)) as store:
        change(store)
    assert blocks.changes() != seen
    after = blocks.stamps(SIZE).by_block
    assert before.keys() == after.keys() == {0, 1, 2}
    assert {block for block in before if before[block] != after[block]} == changed


def test_stamps_count_episodes_and_those_that_were_trained_on(blocks: EpisodeBlocks) -> None:
    stamps = blocks.stamps(SIZE)
    assert (stamps.episodes, stamps.trained, stamps.damage) == (10, 1, ())
    assert blocks.count() == 10


def test_a_message_that_cannot_be_decoded_is_none(path: Path, blocks: EpisodeBlocks) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE episodes SET message = x'ff' WHERE number = 1")
        db.commit()
    found = blocks.block(0, SIZE)
    assert [one.message is None for one in found] == [False, True, False, False]


def test_a_torn_page_hides_only_the_episodes_on_it(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    page = content.index(b"goal 5 ") // size
    content[page * size : (page + 1) * size] = b"\xee" * size
    path.write_bytes(content)
    with contextlib.closing(EpisodeBlocks(path)) as torn:
        stamps = torn.stamps(SIZE)
        found = [one for block in stamps.by_block for one in torn.block(block, SIZE)]
    whole = {one.number for one in found if one.message is not None}
    assert 5 not in whole and {0, 9} <= whole
    assert len(stamps.damage) == 1 and "cannot be read" in stamps.damage[0]


def test_a_store_of_an_earlier_version_has_no_values(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE turn_values")
        db.execute("DROP TABLE set_aside")
        db.commit()
    with contextlib.closing(EpisodeBlocks(path)) as old:
        assert old.lacks_values
        assert old.stamps(SIZE).damage == ()
        assert old.block(0, SIZE)[0].advantages == tuple(replace(one, values=None) for one in ADVANTAGES)
