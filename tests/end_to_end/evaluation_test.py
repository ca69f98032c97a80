"""If one of its servers is killed, an evaluation starts new ones and finishes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.processes import SMALL, gone, pids, read_until, start
from tests.end_to_end.tiny import tiny_model

EPISODES = 12


def test_what_was_played_is_kept_and_the_rest_is_played_on_new_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    log = tmp_path / "played.episodes.jsonl"
    evaluation = start(
        "orchestrator.evaluate",
        *SMALL,
        f"--model={tiny_model(tmp_path / 'model')}",
        "--checkpoint=base",
        "--split=valid_seen",
        "--samples=2",
        "--out=played.json",
        "--orchestrator.concurrency=1",
        "--orchestrator.start_seconds=900",
    )
    read_until(evaluation, f": 2/{EPISODES}, ")
    before = log.read_text()
    servers = pids(tmp_path / "evaluations" / "played")
    os.kill(servers["executor"], signal.SIGKILL)
    rest, _ = evaluation.communicate()

    assert evaluation.returncode == 0, rest
    assert "executor was killed by SIGKILL; started again (1 of 5)\nstarting planner and executor\n" in rest
    assert all(gone(pid) for pid in servers.values())
    assert log.read_text().startswith(before)
    content = json.loads((tmp_path / "played.json").read_text())
    played = [(one["task_id"], one["sample"]) for one in content["episodes"]]
    assert len(set(played)) == len(played) == EPISODES
