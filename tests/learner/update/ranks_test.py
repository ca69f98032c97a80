"""Two ranks, started by DeepSpeed's launcher, against one that has no DeepSpeed."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from core.errors import DivergedError
from core.role import Role
from learner.service.launch import launcher_command, launcher_environment
from learner.update.deepspeed_optimizer import DeepSpeedOptimizer
from learner.update.optimizer import AdapterOptimizer
from learner.update.ranks import Ranks, join
from learner.update.sharding import shard_blocks
from learner.update.trainer import Trainer
from run_folder.store import EpisodeStore
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder
from tests.learner import tiny
from tests.learner.update.rank import SHARDED, trainer_settings
from trajectory.wire import episode_to_pb

STAGES = ("0", "1", "2", "3", SHARDED)


def silent(share: float, message: str) -> None: ...


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny.tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def alone(base: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints 1 and 2 and the metrics of the second update, by one rank."""
    folder = tmp_path_factory.mktemp("alone")
    trainer, episodes = Trainer(trainer_settings(), base, 0), tiny.episodes(base)
    trainer.save_adapter(Role.PLANNER, folder / "start")
    trainer.load_reference(AdapterPair(folder / "start", folder / "start"))
    for version in (1, 2):
        metrics = trainer.update(episodes, silent).metrics
        trainer.save_checkpoint(folder / str(version), range(4))
    torch.save(metrics, folder / "metrics")
    return folder


@pytest.fixture(scope="module")
def together(base: ModelFolder, alone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by two ranks, at each stage of ZeRO, and with a divided base model."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "start").symlink_to(alone / "start")
    store = EpisodeStore(folder / "episodes.sqlite", "run")
    for episode in tiny.episodes(base):
        store.add(episode_to_pb(episode))
    store.close()
    arguments = [str(folder), str(base.path), *STAGES]
    command = launcher_command(range(2), "tests.learner.update.rank", arguments)
    environment = launcher_environment() | {"DS_ACCELERATOR": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def assert_same_checkpoint(one: Path, other: Path) -> None:
    for name in ("parameters.safetensors", "optimizers.safetensors"):
        expected, found = load_file(other / name), load_file(one / name)
        assert found.keys() == expected.keys()
        for key, tensor in found.items():
            torch.testing.assert_close(tensor, expected[key], atol=1e-5, rtol=1e-5, msg=f"{name} {key}")


@pytest.mark.parametrize("stage", STAGES)
def test_two_ranks_come_to_what_one_does(together: Path, alone: Path, stage: str) -> None:
    assert_same_checkpoint(together / f"stage {stage}", alone / "2")


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_are_of_both_ranks_together(together: Path, alone: Path, stage: str) -> None:
    expected, found = torch.load(alone / "metrics"), torch.load(together / f"metrics {stage}")
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if not name.startswith(("timing_s/", "perf/update_tokens_per_second")):
            assert value == pytest.approx(expected[name], rel=1e-3, abs=1e-4), name


def test_a_run_goes_on_with_another_number_of_ranks(base: ModelFolder, together: Path, alone: Path) -> None:
    trainer = Trainer(trainer_settings(), base, 0)
    trainer.load_checkpoint(together / "1")
    trainer.load_reference(AdapterPair(alone / "start", alone / "start"))
    trainer.remember(0, tiny.episodes(base))
    assert (trainer.version, trainer.consumed) == (1, (0, 1, 2, 3))
    trainer.update(tiny.episodes(base), silent)
    trainer.save_checkpoint(together / "resumed alone", range(4))
    assert_same_checkpoint(together / "resumed alone", alone / "2")


@pytest.fixture(scope="module")
def only_rank() -> Iterator[Ranks]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            environment.setenv(name, "")
            environment.delenv(name)
        yield join(1)
        torch.distributed.destroy_process_group()


def test_deepspeed_holds_the_optimizer_of_a_single_rank_where_asked(
    base: ModelFolder, alone: Path, tmp_path: Path, only_rank: Ranks
) -> None:
    trainer = Trainer(trainer_settings(optimizer="deepspeed", zero_stage=1), base, 0, only_rank)
    trainer.load_checkpoint(alone / "1")
    trainer.load_reference(AdapterPair(alone / "start", alone / "start"))
    trainer.remember(0, tiny.episodes(base))
    trainer.update(tiny.episodes(base), silent)
    trainer.save_checkpoint(tmp_path / "2", range(4))
    assert_same_checkpoint(tmp_path / "2", alone / "2")


def test_a_step_that_is_not_finite_is_skipped_there_too(only_rank: Ranks) -> None:
    one, other = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    plain = AdapterOptimizer({"p": one}, 0.1, 1.0, "planner")
    sharded = DeepSpeedOptimizer({"p": other}, 0.1, 1.0, "planner", only_rank, zero_stage=2)

    def step(loss: float, gradient: float) -> bool:
        one.grad, other.grad = torch.full((3,), gradient), torch.full((3,), gradient)
        steps = plain.step(loss), sharded.step(loss)
        assert steps[0].skipped == steps[1].skipped
        torch.testing.assert_close(one, other)
        return steps[1].skipped

    assert not step(1.0, 2.0)
    assert step(1.0, math.nan)
    assert step(math.nan, 2.0)
    assert not step(1.0, -5.0)
    assert plain.state().keys() == sharded.state().keys()
    assert step(1.0, math.inf) and step(1.0, 1e30)
    for optimizer, parameter in ((plain, one), (sharded, other)):
        parameter.grad = torch.full((3,), math.nan)
        with pytest.raises(DivergedError, match="planner's gradient was not finite in 3 steps in a row"):
            optimizer.step(1.0)


def test_a_divided_block_has_its_weights_only_while_it_is_computed(
    base: ModelFolder, only_rank: Ranks
) -> None:
    model = AutoModelForCausalLM.from_pretrained(base.path).requires_grad_(False)
    tokens = torch.tensor([[3, 5, 7]])
    expected, blocks = model(tokens).logits, model.model.layers
    sizes = [sum(weight.nbytes for weight in block.parameters()) for block in blocks]
    assert shard_blocks(blocks, only_rank, torch.device("cpu")) == sum(sizes)
    seen: list[int] = []
    blocks[1].mlp.register_forward_pre_hook(
        lambda *_: seen.extend(sum(weight.nbytes for weight in block.parameters()) for block in blocks)
    )
    torch.testing.assert_close(model(tokens).logits, expected)
    assert seen == [0, sizes[1]]
    assert [weight.numel() for block in blocks for weight in block.parameters() if weight.numel()] == []


def test_ranks_without_a_part_wait_for_those_with_one() -> None:
    assert [Ranks(rank, 3).idle([0, 3, 1]) for rank in range(3)] == [0, 1, 2]
    assert [Ranks(rank, 3).idle([]) for rank in range(3)] == [0, 0, 0]
