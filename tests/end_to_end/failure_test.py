"""A run that is interrupted, and twice loses a server to kill -9, ends with everything once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.end_to_end.processes import SMALL, episodes, gone, pids, read_until, run, start
from tests.end_to_end.tiny import tiny_model

EPISODES = 8


def test_nothing_acknowledged_is_lost_and_nothing_is_stored_twice(tmp_path: Path) -> None:
    root = tmp_path / "run"
    size = (
        f"--model={tiny_model(tmp_path / 'model')}",
        "--planner.context_length=4096",
        "--executor.context_length=4096",
        "--environment.step_limit=20",
        "--learner.updates=1",
        f"--learner.episodes_per_update={EPISODES}",
        "--orchestrator.concurrency=1",
        "--orchestrator.start_seconds=900",
    )

    interrupted = start("orchestrator.rollout", *SMALL, *size, f"--run-dir={root}")
    read_until(interrupted, "episode 0 ")
    first_servers = pids(root)
    assert sorted(first_servers) == ["executor", "learner", "planner"]
    interrupted.send_signal(signal.SIGINT)
    rest, _ = interrupted.communicate()
    assert interrupted.returncode == 130, rest
    assert f"--run-dir {root} --resume" in rest
    assert all(gone(pid) for pid in first_servers.values())
    acknowledged = episodes(root)
    assert 0 in acknowledged
    assert len(acknowledged) < EPISODES

    struck = start("orchestrator.rollout", f"--run-dir={root}", "--resume", "--pool.restarts=0")
    read_until(struck, "gathering episodes")
    servers = pids(root)
    os.kill(servers["executor"], signal.SIGKILL)
    rest, _ = struck.communicate()
    assert struck.returncode == 1, rest
    assert f"the executor (process {servers['executor']}) was killed by SIGKILL" in rest
    assert f"--run-dir {root} --resume" in rest
    assert all(gone(pid) for pid in servers.values())
    acknowledged |= episodes(root)

    mended = start("orchestrator.rollout", f"--run-dir={root}", "--resume", "--pool.restarts=5")
    read_until(mended, "gathering episodes")
    servers = pids(root)
    os.kill(servers["executor"], signal.SIGKILL)
    rest, _ = mended.communicate()
    assert mended.returncode == 0, rest
    assert "executor was killed by SIGKILL; started again (1 of 5)\n" in rest
    assert all(gone(pid) for pid in (pids(root) | servers).values())
    played = episodes(root)
    assert sorted(played) == list(range(EPISODES))
    assert all(played[number] == episode for number, episode in acknowledged.items())
    lines = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    assert [line["adapter/version"] for line in lines] == [1]
    assert (root / "adapters" / "planner" / "1" / "adapter_model.safetensors").exists()

    code, output = run("orchestrator.rollout", f"--run-dir={root}")
    assert code == 2
    assert "there is a run in" in output
