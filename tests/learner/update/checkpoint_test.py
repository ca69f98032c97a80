"""Checkpoints and adapters on disk: cut off, of another configuration, on a full disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configuration.learner import CriticSettings, LoraSettings
from core.errors import CorruptDataError, ExhaustedError, NotFoundError, PreconditionError
from core.files import appended_whole
from core.role import Role
from hae import EstimatorSettings
from learner.update.trainer import Trainer, TrainerSettings
from serving.model import ModelFolder
from tests.learner import tiny
from tests.small_disk import files_of_at_most


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny.tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def trainer(base: ModelFolder) -> Trainer:
    made = Trainer(tiny.settings(), base, seed=0)
    made.update(tiny.episodes(base), lambda share, message: None)
    return made


@pytest.fixture(scope="module")
def checkpoint(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    trainer.save_checkpoint(folder, consumed=[])
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), place=st.integers(0, 3))
def test_a_checkpoint_cut_off_anywhere_is_refused_by_name(
    trainer: Trainer, checkpoint: Path, share: float, place: int
) -> None:
    file = sorted(checkpoint.iterdir())[place]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    try:
        with pytest.raises(CorruptDataError, match=str(checkpoint)):
            trainer.load_checkpoint(checkpoint)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("place", range(4))
def test_a_checkpoint_that_lacks_a_file_or_one_byte_is_refused_and_changes_nothing(
    base: ModelFolder, checkpoint: Path, tmp_path: Path, place: int
) -> None:
    fresh = Trainer(tiny.settings(), base, seed=0)
    fresh.save_checkpoint(tmp_path / "before", consumed=())
    file = sorted(checkpoint.iterdir())[place]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(CorruptDataError, match=str(checkpoint)):
        fresh.load_checkpoint(checkpoint)
    file.unlink()
    with pytest.raises(CorruptDataError, match=str(checkpoint)):
        fresh.load_checkpoint(checkpoint)
    file.write_bytes(whole)
    fresh.save_checkpoint(tmp_path / "after", consumed=())
    assert content(tmp_path / "before") == content(tmp_path / "after")
    fresh.load_checkpoint(checkpoint)
    assert fresh.version == 1


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (tiny.settings(lora=LoraSettings(rank=2, alpha=8)), "lora.rank = 4, not 2"),
        (tiny.settings(lora=LoraSettings(rank=4, alpha=4)), "lora.alpha = 8, not 4"),
        (tiny.settings(lora=LoraSettings(rank=4, alpha=8, targets=("q_proj",))), "lora.targets"),
        (tiny.settings(critic=CriticSettings(heads="two")), "critic.heads = three, not two"),
        (tiny.settings(estimator=EstimatorSettings(estimator="gae")), "estimator.estimator = hae, not gae"),
        (tiny.settings(estimator=EstimatorSettings(success_reward=1)), "estimator.success_reward = 10.0"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused_by_key(
    base: ModelFolder, checkpoint: Path, made: TrainerSettings, key: str
) -> None:
    with pytest.raises(PreconditionError, match=f"{checkpoint} was made with {key}"):
        Trainer(made, base, seed=0).load_checkpoint(checkpoint)


def test_how_it_is_computed_may_differ(base: ModelFolder, checkpoint: Path) -> None:
    made = tiny.settings()
    learner = made.learner.model_copy(update={"dtype": "bfloat16", "pack_tokens": 256})
    resumed = Trainer(replace(made, learner=learner), base, seed=0)
    resumed.load_checkpoint(checkpoint)
    assert resumed.version == 1


def test_a_checkpoint_of_another_base_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = tiny.tiny_model(tmp_path / "other", seed=1)
    with pytest.raises(PreconditionError, match="base_fingerprint"):
        Trainer(tiny.settings(), other, seed=0).load_checkpoint(checkpoint)
    with pytest.raises(NotFoundError, match="nowhere"):
        Trainer(tiny.settings(), other, seed=0).load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("size", [0, 100, 5_000, 40_000])
def test_on_a_full_disk_nothing_half_written_stays(
    trainer: Trainer, checkpoint: Path, tmp_path: Path, size: int
) -> None:
    trainer.save_adapter(Role.PLANNER, tmp_path / "planner")
    trainer.save_checkpoint(tmp_path / "checkpoint", consumed=[])
    before = content(tmp_path)
    assert all(len(before[f"checkpoint/{name}.safetensors"]) > size for name in ("parameters", "optimizers"))
    with files_of_at_most(size):
        with pytest.raises(ExhaustedError, match=f"{tmp_path}/checkpoint cannot be written: File too large"):
            trainer.save_checkpoint(tmp_path / "checkpoint", consumed=[1])
        with pytest.raises(ExhaustedError, match=f"{tmp_path}/new cannot be written"):
            trainer.save_checkpoint(tmp_path / "new", consumed=[1])
        if size < len(before["planner/adapter_model.safetensors"]):
            with pytest.raises(ExhaustedError, match=f"{tmp_path}/planner cannot be written"):
                trainer.save_adapter(Role.PLANNER, tmp_path / "planner")
    assert content(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "planner"]
    trainer.load_checkpoint(tmp_path / "checkpoint")


def test_a_line_without_room_is_not_begun(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("x" * 99 + "\n")
    with (
        files_of_at_most(150),
        pytest.raises(ExhaustedError, match="lines cannot be written"),
        appended_whole(file),
        file.open("a") as opened,
    ):
        opened.write("y" * 99)
    assert file.read_text() == "x" * 99 + "\n"


def test_an_adapter_is_the_same_file_whenever_it_is_written(
    trainer: Trainer, base: ModelFolder, tmp_path: Path
) -> None:
    for folder in ("first", "again"):
        trainer.save_adapter(Role.PLANNER, tmp_path / folder)
    assert content(tmp_path / "first") == content(tmp_path / "again")
    modules = json.loads((tmp_path / "first" / "adapter_config.json").read_text())["target_modules"]
    assert modules == sorted(modules)


def test_a_skipped_update_makes_a_version_with_the_same_adapters(base: ModelFolder, tmp_path: Path) -> None:
    trainer = Trainer(tiny.settings(), base, seed=0)
    for version in (0, 1):
        assert trainer.version == version
        trainer.save_adapter(Role.EXECUTOR, tmp_path / str(version))
        trainer.skip_update()
    first, second = (content(tmp_path / str(version)) for version in (0, 1))
    assert first.pop("hiper.json") != second.pop("hiper.json")
    assert first == second
