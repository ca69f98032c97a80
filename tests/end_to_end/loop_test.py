"""Planner, executor and learner as three processes: real turns, real updates, real pushes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
import torch
from hiper.v1 import adapter_pb2, adapter_pb2_grpc, episode_pb2, planner_pb2, planner_pb2_grpc
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from serving.model import resolve_model
from tests.end_to_end.processes import SMALL, ModelServer, episodes, run

UPDATES, EPISODES = 2, 2
EXACT = tuple(f"--{section}.dtype=float32" for section in ("planner", "executor", "learner"))
"""Sampler and learner then agree to rounding, and no update is too small to show."""


ENTROPY_BONUS = "--ppo.entropy_coefficient=0.01"
"""So few episodes may all go alike, and the critic foresees that: without the bonus, nothing is learnt."""


@dataclass(frozen=True)
class Finished:
    """A run that has ended; its model servers still serve."""

    root: Path
    output: str
    planner: ModelServer
    executor: ModelServer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    root = tmp_path_factory.mktemp("runs") / "run"
    planner, executor = (ModelServer.start(role, *EXACT) for role in ("planner", "executor"))
    try:
        code, output = run(
            "orchestrator.rollout",
            *SMALL,
            *EXACT,
            ENTROPY_BONUS,
            f"--run-dir={root}",
            f"--planner.address={planner.address}",
            f"--executor.address={executor.address}",
            f"--learner.updates={UPDATES}",
            f"--learner.episodes_per_update={EPISODES}",
        )
        assert code == 0, output
        yield Finished(root, output, planner, executor)
    finally:
        planner.stop()
        executor.stop()


def test_every_turn_says_which_version_spoke(finished: Finished) -> None:
    played = episodes(finished.root)
    assert sorted(played) == list(range(UPDATES * EPISODES))
    for number, episode in played.items():
        assert episode.versions == {number // EPISODES}
        for turn in episode.turns:
            for generation in (turn.plan.generation, turn.act.generation):
                assert len(generation.logprobs) == len(generation.token_ids) > 0
                assert all(math.isfinite(logprob) for logprob in generation.logprobs)


def test_the_adapters_load_with_peft_and_each_update_changed_them(finished: Finished) -> None:
    base = AutoModelForCausalLM.from_pretrained(resolve_model("bundled").path)
    model = PeftModel.from_pretrained(
        base, finished.root / "adapters" / "planner" / "1", adapter_name="planner"
    )
    model.load_adapter(finished.root / "adapters" / "executor" / "1", adapter_name="executor")
    for role in ("planner", "executor"):
        loaded = get_peft_model_state_dict(model, adapter_name=role)
        files = [
            load_file(finished.root / "adapters" / role / str(version) / "adapter_model.safetensors")
            for version in range(UPDATES + 1)
        ]
        assert loaded.keys() == files[1].keys()
        assert all(torch.equal(loaded[name], files[1][name].to(loaded[name].dtype)) for name in loaded)
        for before, after in pairwise(files):
            assert max(float((after[name] - before[name]).abs().max()) for name in before) > 1e-6


def test_another_version_gives_other_log_probabilities(finished: Finished) -> None:
    context = episode_pb2.TurnContext(
        goal="put a mug in desk.", observation="You are in the middle of a room."
    )
    request = planner_pb2.PlanRequest(context=context, seed=11)
    logprobs = {}
    with grpc.insecure_channel(finished.planner.address) as channel:
        adapters = adapter_pb2_grpc.AdapterServiceStub(channel)
        planner = planner_pb2_grpc.PlannerServiceStub(channel)
        assert adapters.GetState(adapter_pb2.GetStateRequest()).version == UPDATES
        for version in (2, 0, 1, 0, 2):
            adapters.Rollback(adapter_pb2.RollbackRequest(version=version))
            said = planner.Plan(request).generation
            assert said.adapter_version == version
            first = (tuple(said.token_ids), tuple(said.logprobs))
            assert logprobs.setdefault(version, first) == first
    assert len(set(logprobs.values())) == 3


def test_the_metrics_have_a_line_for_each_update(finished: Finished) -> None:
    lines = [json.loads(line) for line in (finished.root / "metrics.jsonl").read_text().splitlines()]
    assert [line["adapter/version"] for line in lines] == [1, 2]
    for line in lines:
        assert line["episode/count"] == EPISODES
        assert 0 <= line["perf/rpc_share"] <= 1


def test_the_learner_finds_the_probabilities_that_were_sampled(finished: Finished) -> None:
    for line in (finished.root / "metrics.jsonl").read_text().splitlines():
        metrics = json.loads(line)
        assert metrics["actor/planner/sampler_difference"] < 1e-3
        assert metrics["actor/executor/sampler_difference"] < 1e-3


def test_the_cost_of_rpc_is_printed_and_agrees_with_the_episodes(finished: Finished) -> None:
    printed = re.search(r"RPC cost, .*: ([\d.]+)%", finished.output)
    assert printed
    turns = [turn for episode in episodes(finished.root).values() for turn in episode.turns]
    whole = sum(turn.seconds for turn in turns)
    model = sum(turn.plan.generation.engine_seconds + turn.act.generation.engine_seconds for turn in turns)
    environment = sum(turn.environment_seconds for turn in turns)
    assert float(printed[1]) == pytest.approx(100 * (whole - model - environment) / whole, abs=0.01)


def test_the_configuration_as_used_is_kept(finished: Finished) -> None:
    code, output = run(
        "orchestrator.rollout", f"--config={finished.root / 'configuration.toml'}", "--dry-run"
    )
    assert code == 2
    assert "--resume continues it" in output
    code, output = run("orchestrator.rollout", f"--run-dir={finished.root}", "--resume", "--dry-run")
    assert code == 0
    assert "step_limit = 2" in output


def test_an_episode_can_be_looked_at(finished: Finished) -> None:
    code, output = run("orchestrator.show", str(finished.root), "3")
    assert code == 0
    assert "A_high" in output and "A_low" in output and "@1" in output


def test_a_server_of_the_wrong_role_is_refused(finished: Finished, tmp_path: Path) -> None:
    code, output = run(
        "orchestrator.rollout",
        *SMALL,
        f"--run-dir={tmp_path / 'run'}",
        f"--planner.address={finished.executor.address}",
        f"--executor.address={finished.executor.address}",
    )
    assert code == 2
    assert (
        f"the server at {finished.executor.address} is an executor; --planner.address needs a planner"
        in output
    )


def test_a_server_that_is_not_there_is_named(finished: Finished, tmp_path: Path) -> None:
    code, output = run(
        "orchestrator.rollout",
        *SMALL,
        f"--run-dir={tmp_path / 'run'}",
        f"--planner.address={finished.planner.address}",
        "--executor.address=127.0.0.1:1",
        # Enough for the learner, which is started before the others are looked for.
        "--orchestrator.start_seconds=30",
    )
    assert code == 1
    assert "the executor at 127.0.0.1:1 is not there" in output
