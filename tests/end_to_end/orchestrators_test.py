"""Two orchestrators play for one learner until one is killed: the other plays its episodes, too.

Meanwhile a server is drained and given episodes again by `//orchestrator:pool`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.end_to_end.processes import SMALL, ModelServer, episodes, read_until, run, start
from tests.end_to_end.tiny import tiny_model

EPISODES = 12
LEASE_SECONDS = 3.0


def test_the_episodes_of_a_killed_orchestrator_are_played_by_the_other(tmp_path: Path) -> None:
    options = (
        f"--model={tiny_model(tmp_path / 'model')}",
        "--environment.step_limit=20",
        "--planner.context_length=4096",
        "--executor.context_length=4096",
        "--learner.updates=1",
        "--orchestrator.start_seconds=900",
        f"--learner.episodes_per_update={EPISODES}",
        f"--learner.lease_seconds={LEASE_SECONDS}",
    )
    with ExitStack() as stack, ThreadPoolExecutor() as starting:
        learner = ModelServer.start("learner", *options, f"--run-dir={tmp_path / 'run'}")
        stack.callback(learner.stop)
        joined = (*options, f"--learner.address={learner.address}")
        servers = list(starting.map(lambda role: ModelServer.start(role, *joined), ("planner", "executor")))
        for server in servers:
            stack.callback(server.stop)
        first, second = (
            start(
                "orchestrator.rollout",
                *SMALL,
                *joined,
                f"--run-dir={tmp_path / name}",
                f"--orchestrator.concurrency={concurrency}",
            )
            for name, concurrency in (("first", 4), ("second", 1))
        )
        read_until(first, "] episode ")
        output = read_until(second, "] episode ")
        first.kill()
        first.communicate()
        executor = servers[1].address
        for arguments, ready in (
            ((), 2),
            ((f"--drain={executor}",), 1),
            ((f"--drain={executor}", "--undo"), 2),
        ):
            code, shown = run("orchestrator.pool", f"--learner.address={learner.address}", *arguments)
            assert code == 0 and shown.count(" ready ") == ready, shown
        code, shown = run("orchestrator.pool", f"--learner.address={learner.address}", "--drain=127.0.0.1:1")
        assert code == 2 and executor in shown, "it names the servers that there are"
        rest, _ = second.communicate()
        output += rest
        assert second.returncode == 0, output
    played = episodes(tmp_path / "run")
    assert sorted(played) == list(range(EPISODES))
    again = [episode for episode in played.values() if episode.key.attempt]
    assert 1 <= len(again) <= 4
    assert "starting planner and executor" not in output, "it has joined those that there are"
