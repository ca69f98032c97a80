"""A learner that is killed between checkpoint and push, and once more with its newest checkpoint damaged."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from run_folder.folder import RunFolder
from tests.end_to_end.processes import SMALL, episodes, gone, pids, read_until, start
from tests.end_to_end.tiny import tiny_model

UPDATES, EPISODES = 3, 2
SIZE = (f"--learner.updates={UPDATES}", f"--learner.episodes_per_update={EPISODES}")
ROOMY = (
    "--planner.context_length=4096",
    "--executor.context_length=4096",
    "--orchestrator.start_seconds=900",
)


def test_the_run_goes_on_with_the_same_servers_and_trains_on_each_place_once(tmp_path: Path) -> None:
    root, model = tmp_path / "run", tiny_model(tmp_path / "model")
    folder = RunFolder(root)
    process = start("orchestrator.rollout", *SMALL, *ROOMY, *SIZE, f"--model={model}", f"--run-dir={root}")
    output = ""
    for update in (1, 2):
        output += read_until(process, f"; episodes {update * EPISODES}/{UPDATES * EPISODES} ")
        servers = pids(root)
        # Nobody plays during an update. A server that is stopped cannot take what is pushed.
        os.kill(servers["executor"], signal.SIGSTOP)
        while folder.checkpoint_versions()[0] < update:
            pass
        os.kill(servers["learner"], signal.SIGKILL)
        while not gone(servers["learner"]):
            pass
        if update == 2:
            damage(folder.checkpoint(update))
        os.kill(servers["executor"], signal.SIGCONT)
    rest, _ = process.communicate()
    output += rest
    assert process.returncode == 0, output
    for number in (1, 2):
        assert f"learner was killed by SIGKILL; started again ({number} of 5)\n" in output
    assert "executor was killed" not in output and "planner was killed" not in output
    assert {name: pid for name, pid in pids(root).items() if name != "learner"} == {
        name: pid for name, pid in servers.items() if name != "learner"
    }
    played = episodes(root)
    assert sorted(played) == list(range(UPDATES * EPISODES))
    assert all(episode.versions == {number // EPISODES} for number, episode in played.items())
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [line["adapter/version"] for line in lines] == [1, 2, 3]
    assert all(line["episode/count"] == EPISODES for line in lines)
    assert folder.epoch.read_text() == "2\n"


def damage(checkpoint: Path) -> None:
    """Changes a byte in the middle of its largest file."""
    largest = max((path for path in checkpoint.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(content)
