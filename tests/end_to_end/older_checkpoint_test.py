"""A learner that goes back to an older checkpoint while the model servers live on."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from pathlib import Path

import grpc
from hiper.v1 import adapter_pb2, adapter_pb2_grpc

from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from tests.end_to_end.processes import SMALL, ModelServer, episodes, gone, pids, read_until, run, start
from tests.end_to_end.tiny import tiny_model

BATCH, RESTORED = 2, 1


def served(server: ModelServer) -> adapter_pb2.AdapterState:
    with grpc.insecure_channel(server.address) as channel:
        return adapter_pb2_grpc.AdapterServiceStub(channel).GetState(adapter_pb2.GetStateRequest())


def test_later_versions_are_made_again_and_served_and_nothing_of_the_given_up_ones_is_trained_on(
    tmp_path: Path,
) -> None:
    root, model = tmp_path / "run", f"--model={tiny_model(tmp_path / 'model')}"
    servers = {role: ModelServer.start(role, model) for role in ("planner", "executor")}
    try:
        killed = start(
            "orchestrator.rollout",
            *SMALL,
            model,
            f"--run-dir={root}",
            *(f"--{role}.address={server.address}" for role, server in servers.items()),
            "--learner.updates=1000",
            f"--learner.episodes_per_update={BATCH}",
            "--learner.keep_checkpoints=1000",
            # Each update changes the adapters, whatever the rewards are.
            "--ppo.entropy_coefficient=0.1",
        )
        read_until(killed, f"episode {BATCH * (RESTORED + 1)} ")
        killed.kill()
        killed.communicate()
        while not gone(pids(root)["learner"]):
            time.sleep(0.05)
        folder, acknowledged = RunFolder(root), episodes(root)
        newest, *_ = folder.checkpoint_versions()
        assert newest > RESTORED and all(served(server).version > RESTORED for server in servers.values())
        for version in range(RESTORED + 1, newest + 1):
            shutil.rmtree(folder.checkpoint(version))

        # Another learning rate, so that the versions are made again with other weights.
        code, output = run(
            "orchestrator.rollout",
            f"--run-dir={root}",
            "--resume",
            f"--learner.updates={newest + 2}",
            "--ppo.learning_rate=0.01",
        )
        assert code == 0, output
        hashes = folder.pair(newest + 2).hashes()
        for role, sha256 in hashes.items():
            state = served(servers[role.value])
            assert (state.version, state.epoch, state.sha256.hex()) == (newest + 2, 1, sha256)
    finally:
        for server in servers.values():
            server.stop()

    kept = episodes(root)
    assert sorted(kept) == list(range(BATCH * (newest + 2)))
    assert all(kept[number] == episode for number, episode in acknowledged.items())
    given_up = [number for number, episode in acknowledged.items() if max(episode.versions) > RESTORED]
    with closing(EpisodeStore.reading(folder.episodes)) as store:
        set_aside = store.those_set_aside()
    assert given_up and sorted(set_aside) == sorted(given_up)
    assert all("was given up when an older checkpoint was restored" in each for each in set_aside.values())
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [line["adapter/version"] for line in lines] == list(range(1, newest + 3))
    assert sum(line["episode/set_aside"] for line in lines) == len(given_up)
