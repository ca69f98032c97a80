"""A run that version 6755e3c of 22 November has played: before epochs, hashes of adapters, and pools."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.replay import replay

OLDER = Path(__file__).with_name("older_run")


def test_episodes_of_an_earlier_format_are_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A copy, because SQLite makes files beside a store that it only reads.
    run = shutil.copytree(OLDER, tmp_path / "run")
    assert replay([str(run), "--all", f"--model={run / 'model'}"]) == 0
    remark, *_, summary = capsys.readouterr().out.splitlines()
    assert remark.startswith("planner and executor: computed in float32, ")
    assert summary.startswith("3 episodes: 3 identical. 123 sampled tokens, ")
