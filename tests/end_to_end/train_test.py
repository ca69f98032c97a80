"""A run of a tiny model that is stopped, goes on, leaves a report and is evaluated: all by its commands."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configuration.tree import Configuration
from orchestrator.report import read
from orchestrator.report.figures import EPISODE_PANELS, UPDATE_PANELS
from orchestrator.report.time_parts import time_parts
from orchestrator.servers.connections import connect
from serving.adapters.client import AdapterClient
from tests.end_to_end.processes import SMALL, ModelServer, gone, pids, read_until, run, start
from tests.end_to_end.tiny import tiny_model

EPISODES = 2


@dataclass(frozen=True)
class Trained:
    """A run that was stopped by Ctrl-C and then went on by one update."""

    root: Path
    stopped_at: int
    """Version at which it was stopped."""
    stopped: str
    """Output of the first part."""
    output: str
    """Of the second."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    root, model = folder / "run", tiny_model(folder / "model")
    roomy = [f"--{role}.context_length=4096" for role in ("planner", "executor")]
    sizes = (f"--learner.episodes_per_update={EPISODES}", "--learner.updates=50")
    process = start(
        "orchestrator.train", *SMALL, *roomy, f"--model={model}", f"--run-dir={root}", *sizes, "--tensorboard"
    )
    before = read_until(process, "gathering for update 2")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    stopped = before + rest
    assert process.returncode == 130, stopped
    assert all(gone(pid) for pid in pids(root).values())
    made = len(versions(root))
    code, output = run("orchestrator.train", f"--run-dir={root}", f"--learner.updates={made + 1}")
    assert code == 0, output
    return Trained(root, made, stopped, output)


def versions(root: Path) -> list[float]:
    lines = (root / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["adapter/version"] for line in lines]


def test_the_first_ctrl_c_ends_it_after_the_update_in_flight(trained: Trained) -> None:
    assert "stopping after the update in flight" in trained.stopped
    assert f"./bazelw run //orchestrator:train -- --run-dir {trained.root}\n" in trained.stopped
    assert "the learner has failed" not in trained.stopped
    assert trained.stopped_at >= 1


def test_it_goes_on_without_being_told_to(trained: Trained) -> None:
    made = trained.stopped_at + 1
    assert versions(trained.root) == list(range(1, made + 1))
    assert (trained.root / "checkpoints" / str(made)).is_dir()
    assert f"({made} of {made} updates made)" in trained.output


def test_each_step_is_in_tensorboard_once(trained: Trained) -> None:
    events = EventAccumulator(str(trained.root / "tensorboard"), purge_orphaned_data=False).Reload()
    steps = [event.step for event in events.Scalars("episode/success_rate")]
    assert steps == versions(trained.root)


def test_the_report_is_written_at_the_end_and_its_time_adds_up(trained: Trained) -> None:
    assert f"report:       {trained.root / 'report.html'}" in trained.output
    assert "Where the time went" in (trained.root / "report.html").read_text()
    data = read(trained.root)
    steps = sum(line["timing_s/step"] for line in (*data.lines, *data.ends))
    parts = {part.name: part.seconds for part in time_parts((*data.lines, *data.ends))}
    assert sum(parts.values()) == pytest.approx(steps, rel=1e-6)
    assert {"start", "generation", "RPC and orchestrator", "update: planner", "push"} <= parts.keys()


def test_every_curve_of_the_report_is_of_a_metric_that_a_run_has(trained: Trained) -> None:
    curves = {metric for panel in (*EPISODE_PANELS, *UPDATE_PANELS) for _, metric in panel.curves}
    assert curves <= {metric for line in read(trained.root).lines for metric in line}


def test_adapters_side_by_side_on_one_pair_of_servers_which_refuse_those_of_another_base_model(
    trained: Trained, tmp_path: Path
) -> None:
    checkpoints = f"--checkpoint=base,{trained.root},{strange_pair(trained.root, tmp_path / 'strange')}"
    options = ("--split=valid_seen", "--games=2", "--samples=2")
    code, output = run("orchestrator.evaluate", checkpoints, *options)
    assert code == 2, output
    assert output.count("starting planner and executor") == 1
    assert "refused version 0" in output and "base" in output
    version, folder = trained.stopped_at + 1, trained.root / "evaluation"
    assert re.search(rf"\n *v{version} +valid_seen +\d/4 ", output)
    assert not (folder / "valid_seen-adapters.json").exists()
    for label, spoke in (("base", -1), (f"v{version}", version)):
        content = json.loads((folder / f"valid_seen-{label}.json").read_text())
        assert content["adapters"]["version"] == spoke
        assert content["configuration"]["environment"]["step_limit"] == 2
        assert content["results"]["all"]["episodes"] == len(content["episodes"]) == 4
        assert len({episode["task_id"] for episode in content["episodes"]}) == 2
        log = (folder / f"valid_seen-{label}.episodes.jsonl").read_text().splitlines()
        assert len(log) == 1 + 4


def test_a_checkpoint_is_pushed_to_a_server_that_runs_already(trained: Trained) -> None:
    server = ModelServer.start("planner", f"--model={trained.root.parent / 'model'}")
    newest, to = trained.stopped_at + 1, f"--planner.address={server.address}"
    try:
        for checkpoint, version in ((trained.root, newest), (trained.root, 1), ("base", -1)):
            options = (f"--checkpoint={checkpoint}", f"--version={max(version, 0)}", to)
            code, output = run("orchestrator.push", *options)
            assert code == 0, output
            assert f"planner at {server.address}: " in output
            assert asyncio.run(served(server)) == version
        code, output = run("orchestrator.push", f"--checkpoint={trained.root}")
        assert code == 2 and "nowhere to push to: --planner.address HOST:PORT" in output
    finally:
        server.stop()


async def served(server: ModelServer) -> int:
    """Version of the adapter that a planner answers with."""
    connection = await connect(Configuration(), "planner", server.address)
    try:
        return (await AdapterClient(connection).state()).version
    finally:
        await connection.channel.close()


def strange_pair(root: Path, folder: Path) -> Path:
    """The run's first adapters, which say that they were made on another base model."""
    for role in ("planner", "executor"):
        copied = Path(shutil.copytree(root / "adapters" / role / "1", folder / role))
        origin = json.loads((copied / "hiper.json").read_text())
        (copied / "hiper.json").write_text(json.dumps({**origin, "base_fingerprint": "0" * 64}))
    return folder
