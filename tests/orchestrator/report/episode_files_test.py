"""The files that the page loads: their contents, and that only what changed is written again."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.files import replace_file
from core.role import Role
from orchestrator.report import data_files
from orchestrator.report.data_files import read_data, write_data
from orchestrator.report.episode_files import PLACES_PER_FILE, EpisodeFiles
from orchestrator.report.token_texts import TokenTexts
from run_folder.blocks import EpisodeBlocks
from run_folder.store import EpisodeStore
from tests.orchestrator.report.recorded import ADVANTAGES, HOSTILE, add_episodes, write_run

HEAD = {"run": "run-7", "notes": ["a note"]}
NO_TEXTS = {role: TokenTexts(None) for role in Role}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 50)


def update(root: Path) -> set[str]:
    """Writes what is new, as another process would; returns the names of the files that were written."""
    before = stamps(root / "report")
    with contextlib.closing(EpisodeBlocks(root / "episodes.sqlite")) as store:
        EpisodeFiles(root / "report", store, NO_TEXTS).update(HEAD)
    after = stamps(root / "report")
    return {name for name, inode in after.items() if before.get(name) != inode} - {"run.js"}


def stamps(folder: Path) -> dict[str, int]:
    """The inode of each file: a new one whenever it was replaced."""
    return {path.name: path.stat().st_ino for path in folder.glob("*.js")}


def content(root: Path, name: str) -> dict[str, Any]:
    found = read_data(root / "report" / f"{name}.js")
    assert found is not None
    return found


def rows(root: Path, part: int = 0) -> list[dict[str, Any]]:
    index = content(root, f"index-{part}")
    return [
        dict(zip(index["columns"], row, strict=True)) for block in index["blocks"] for row in block["rows"]
    ]


def test_the_index_has_a_row_for_each_episode(root: Path) -> None:
    update(root)
    found = rows(root)
    assert [row["number"] for row in found] == list(range(50))
    assert found[4] == {
        "number": 4,
        "task": "task 4",
        "type": "look",
        "goal": "goal 4 <i>end</i>",
        "ending": "lost",
        "score": 0,
        "turns": 3,
        "subgoals": ["find a mug"],
        "oldest": 0,
        "newest": 0,
        "use": "trained on",
        "invalid": 0,
        "environment": "alfworld",
    }
    assert [found[number]["ending"] for number in (0, 1, 2)] == ["won", "lost", "out of turns"]
    assert found[49]["use"] == "not used"
    head = content(root, "run")
    assert (head["episodes"], head["trained"], head["notes"]) == (50, 25, ["a note"])


def test_an_episode_has_its_turns_with_values_advantages_and_tokens(root: Path) -> None:
    update(root)
    episode = content(root, "episodes-0")["episodes"]["4"]
    first, second, last = episode["turns"]
    assert last["observation"] == HOSTILE
    assert [turn["starts"] for turn in episode["turns"]] == [True, False, False]
    assert first["values"] == {"high": 2.0, "switch": 3.0, "low": 1.0}
    assert first["advantages"]["high"] == -0.5
    assert second["advantages"] == {"switch": 0.125, "low": 0.25}, "no subgoal was chosen there"
    answer = second["act"]
    assert len(answer["tokens"]) == len(answer["logprobs"]) > 0
    assert all(re.fullmatch(r"#\d+", token) for token in answer["tokens"]), "no tokenizer"
    unused = content(root, f"episodes-{49 // PLACES_PER_FILE}")["episodes"]["49"]
    assert "advantages" not in unused["turns"][0]


def test_nothing_is_written_again_if_nothing_changed(root: Path) -> None:
    assert update(root) == {"index-0.js", "episodes-0.js", "episodes-1.js", "episodes-2.js"}
    assert update(root) == set()


def test_only_what_is_new_is_written(root: Path) -> None:
    update(root)
    with contextlib.closing(EpisodeStore(root / "episodes.sqlite")) as store:
        add_episodes(store, range(50, 62))
        store.set_advantages(25, ADVANTAGES)
    assert update(root) == {"index-0.js", "episodes-1.js", "episodes-2.js", "episodes-3.js"}
    assert [row["number"] for row in rows(root)] == list(range(62))
    assert rows(root)[25]["use"] == "trained on"


@pytest.mark.parametrize("text", ["", "hiperReport({", "hiperReport([]);\n", 'hiperReport({"format":0});\n'])
def test_a_torn_part_of_the_index_is_made_again(root: Path, text: str) -> None:
    update(root)
    (root / "report" / "index-0.js").write_text(text)
    assert len(update(root)) == 4
    assert len(rows(root)) == 50


def test_a_missing_file_is_made_again(root: Path) -> None:
    update(root)
    (root / "report" / "episodes-1.js").unlink()
    assert update(root) == {"episodes-1.js"}


def test_a_message_that_cannot_be_decoded_is_shown_as_such(root: Path) -> None:
    with contextlib.closing(sqlite3.connect(root / "episodes.sqlite")) as db:
        db.execute("UPDATE episodes SET message = x'ff' WHERE number = 7")
        db.commit()
    update(root)
    assert [row["number"] for row in rows(root) if row["ending"] == "unreadable"] == [7]
    assert content(root, "episodes-0")["episodes"]["7"] == {"aside": None}


def test_a_place_whose_environment_broke_is_shown_with_the_reason(root: Path) -> None:
    with contextlib.closing(EpisodeStore(root / "episodes.sqlite")) as store:
        store.set_aside({55: "the environment broke"})
    update(root)
    assert [(row["number"], row["ending"]) for row in rows(root)][-1] == (55, "environment broke")
    assert content(root, "episodes-2")["episodes"]["55"] == {"aside": "the environment broke"}
    assert content(root, "run")["episodes"] == 50


def test_files_are_ascii_and_hold_one_call(root: Path) -> None:
    update(root)
    for path in (root / "report").glob("*.js"):
        text = path.read_text(encoding="ascii")
        assert text.startswith('hiperReport({"format":') and text.endswith("});\n")


texts = st.text() | st.sampled_from([HOSTILE, "\ud800", "\u2028", "</script>"])
values = st.recursive(texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False), st.lists)


@given(values)
def test_any_content_comes_back(content: Any) -> None:
    written: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_files, "replace_file", lambda _, text: written.append(text))
        write_data(Path("file"), {"content": content})
    (text,) = written
    assert text.isascii() and text.count("\n") == 1
    assert json.loads(text.removeprefix("hiperReport(").removesuffix(");\n"))["content"] == content


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    write_data(tmp_path / "a.js", {"numbers": [1.5, math.inf, -math.inf, math.nan]})
    found = read_data(tmp_path / "a.js")
    assert found is not None and found["numbers"] == [1.5, None, None, None]
    replace_file(tmp_path / "b.js", "hiperReport(" + "[" * 100_000)
    assert read_data(tmp_path / "b.js") is None
