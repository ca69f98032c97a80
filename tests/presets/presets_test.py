"""The presets: sound, ready for a dry run without model or data, and with the numbers of their source."""

import tomllib
from pathlib import Path

import pytest

from configuration import command
from configuration.keys import keys
from configuration.tree import Configuration
from core.errors import HiperError
from core.exit_codes import REFUSED, of_error
from orchestrator.preflight.memory.report import memory_report
from orchestrator.rollout import rollout

FOLDER = Path(__file__).resolve().parents[2] / "presets"
ALL = sorted(path.name for path in FOLDER.glob("*.toml"))
RECIPES = [name for name in ALL if "qwen" in name]
OURS = [name for name in ALL if name.startswith("nano") or "smollm2" in name]
"""Presets for models that come with the repository or are made by it."""

SHARED_NUMBERS = {
    "learner.episodes_per_update": 128,
    "learner.group_size": 1,
    "learner.max_lag": 0,
    "estimator.estimator": "hae",
    "estimator.gamma": 1.0,
    "estimator.lambda_turn": 1.0,
    "estimator.lambda_segment": 0.95,
    "estimator.success_reward": 10.0,
    "estimator.invalid_action_penalty": 0.1,
    "estimator.normalize.low": True,
    "estimator.normalize.high": True,
    "estimator.normalize.switch": True,
    "ppo.learning_rate": 1e-6,
    "ppo.kl_coefficient": 0.01,
    "ppo.kl_reference": "base",
    "ppo.entropy_coefficient": 0.001,
    "ppo.clip": 0.2,
    "ppo.max_gradient_norm": 1.0,
    "ppo.epochs": 1,
    "critic.heads": "three",
    "imitation.enabled": False,
    "environment.source": "real",
    "orchestrator.split": "train",
}
SERVER_NUMBERS = {
    "engine": "vllm",
    "dtype": "bfloat16",
    "prompt_format": "paper",
    "history": 2,
    "temperature": 1.0,
    "max_batch": 128,
}
NUMBERS = {
    "alfworld": {
        "environment.name": "alfworld",
        "environment.step_limit": 50,
        "learner.updates": 150,
        "estimator.bootstrap": "last",
        "estimator.keep_penalty.mode": "fixed",
        "estimator.keep_penalty.value": -0.3,
    },
    "webshop": {
        "environment.name": "webshop",
        "environment.step_limit": 15,
        "environment.compat": "hiper",
        "learner.updates": 200,
        "estimator.bootstrap": "none",
        "estimator.keep_penalty.mode": "normalized",
        "estimator.keep_penalty.value": -3.5,
    },
}
PROMPT_TOKENS = {"alfworld": 2048, "webshop": 4096}


@pytest.fixture(autouse=True)
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data, no downloaded model, and a folder of its own to type commands in."""
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def configuration(name: str, *options: str) -> Configuration:
    return command.read(["--config", str(FOLDER / name), *options], "test").configuration


def value(tree: Configuration, key: str) -> object:
    for part in key.split("."):
        tree = getattr(tree, part)
    return tree


def test_there_are_presets_for_both_models_on_both_benchmarks() -> None:
    assert RECIPES == [
        "alfworld_qwen2.5_1.5b.toml",
        "alfworld_qwen2.5_7b.toml",
        "webshop_qwen2.5_1.5b.toml",
        "webshop_qwen2.5_7b.toml",
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_preset_passes_a_dry_run(name: str, laptop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(FOLDER / name)
    assert rollout(["--config", path, "--dry-run", "--environment.generator.games=6"]) == 0
    output = capsys.readouterr().out
    printed = Configuration.model_validate(tomllib.loads(output))
    assert printed.learner == configuration(name).learner
    for service in ("planner", "executor", "learner"):
        assert f"#  {service}" in output
    assert output.count("  total  ") == 3
    assert list(laptop.iterdir()) == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_dry_run_says_what_the_machine_lacks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollout(["--config", str(FOLDER / name), "--dry-run"]) == 0
    output = capsys.readouterr().out
    model = configuration(name).learner.model
    assert f"# missing: model {model} is not in this machine's cache of the hub" in output
    assert "# missing: no ALFWorld data: " in output or "# missing: no WebShop data: " in output


@pytest.mark.parametrize("name", RECIPES)
def test_the_numbers_are_the_source_s(name: str) -> None:
    tree = configuration(name)
    benchmark = name.split("_")[0]
    wanted = {**SHARED_NUMBERS, **NUMBERS[benchmark]}
    for role in ("planner", "executor"):
        wanted |= {f"{role}.{key}": number for key, number in SERVER_NUMBERS.items()}
    assert {key: value(tree, key) for key in wanted} == wanted
    size = name.removesuffix(".toml").split("_")[2].upper()
    assert tree.planner.model == tree.executor.model == f"Qwen/Qwen2.5-{size}-Instruct"
    for server in (tree.planner, tree.executor):
        assert server.context_length - server.max_new_tokens == PROMPT_TOKENS[benchmark]
        assert server.max_lora_rank == tree.lora.rank
    assert tree.orchestrator.concurrency == tree.learner.episodes_per_update


@pytest.mark.parametrize("name", OURS)
def test_our_own_models_learn_by_what_the_study_found(name: str) -> None:
    estimator = configuration(name).estimator
    assert (estimator.estimator, estimator.deviation, estimator.keep_penalty.mode) == ("dgae", "low", "none")
    other = configuration(name, "--estimator", "hae").estimator
    assert (other.estimator, other.deviation) == ("hae", "own")


@pytest.mark.parametrize(
    ("name", "gpu", "fits"),
    [
        ("alfworld_qwen2.5_1.5b.toml", 80, True),
        ("alfworld_qwen2.5_7b.toml", 80, True),
        ("webshop_qwen2.5_1.5b.toml", 80, True),
        ("webshop_qwen2.5_7b.toml", 80, True),
        ("webshop_qwen2.5_7b.toml", 48, False),
    ],
)
def test_which_gpus_a_recipe_fits(name: str, gpu: float, fits: bool) -> None:
    elsewhere = [f"--{service}.address=host:{port}" for port, service in enumerate(SERVICES, start=7001)]
    assert (memory_report(configuration(name, *elsewhere), gpu).warnings == ()) is fits


SERVICES = ("planner", "executor", "learner")

ONE_GPU = {
    "alfworld_1.5b_one_gpu_24gb.toml": ("alfworld_qwen2.5_1.5b.toml", 23.5),
    "alfworld_7b_one_gpu_80gb.toml": ("alfworld_qwen2.5_7b.toml", 79.0),
}
"""Presets for a single GPU, with the recipe that each follows, and what a GPU of that size has, in GiB."""


@pytest.mark.parametrize("name", ONE_GPU)
def test_three_services_fit_on_one_gpu(name: str) -> None:
    _, gpu = ONE_GPU[name]
    found = memory_report(configuration(name), gpu)
    assert found.warnings == ()
    assert found.remarks[0] == f"1 GPU of {gpu:g} GiB, shared by 3 processes"
    # The estimate of the learner is too low, see docs/presets.md.
    assert sum(service.bytes for service in found.services) < 0.85 * found.gpu_bytes
    # All prompts that are computed at once have room at their full length.
    assert not any("less than max_batch" in remark for remark in found.remarks)
    assert "GPU 0 is shared by planner" in memory_report(configuration(name), 0.45 * gpu).crowded[0]
    whole = memory_report(configuration(name, "--learner.gradient_checkpointing=false"), gpu).services[2]
    assert whole.bytes - found.services[2].bytes > 5 * 2**30


@pytest.mark.parametrize("name", ONE_GPU)
def test_with_servers_that_sleep_no_checkpointing_is_needed_on_one_gpu(name: str) -> None:
    _, gpu = ONE_GPU[name]
    sleep = [f"--{role}.sleep_while_updating=true" for role in ("planner", "executor")]
    found = memory_report(configuration(name, "--learner.gradient_checkpointing=false", *sleep), gpu)
    assert found.warnings == ()
    planner, executor, learner = found.services
    playing = planner.bytes + executor.bytes + learner.bytes_at_rest
    updating = planner.bytes_at_rest + executor.bytes_at_rest + learner.bytes
    assert max(playing, updating) < 0.85 * found.gpu_bytes


@pytest.mark.parametrize("name", ONE_GPU)
def test_a_preset_for_one_gpu_is_its_recipe_otherwise(name: str) -> None:
    recipe, _ = ONE_GPU[name]
    own, theirs = (to_tables(configuration(each)) for each in (name, recipe))
    differing = {key for key in own if own[key] != theirs[key]}
    assert differing == {
        *(f"{role}.{key}" for role in ("planner", "executor") for key in ("gpus", "vllm", "max_batch")),
        *(f"{role}.max_lora_rank" for role in ("planner", "executor")),
        *("learner.gpus", "learner.gradient_checkpointing", "lora.rank", "lora.alpha", "ppo.learning_rate"),
        *("orchestrator.concurrency", "orchestrator.start_seconds"),
    }


def to_tables(tree: Configuration) -> dict[str, object]:
    """Values by key."""
    return {key.name: value(tree, key.name) for key in keys(Configuration)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lora.rank", "128"], "lora.rank = 128: the planner accepts at most planner.max_lora_rank = 64"),
        (["--executor.max_new_tokens", "2112"], "executor.max_new_tokens = 2112 leaves no room for a prompt"),
        (["--environment.name", "chess"], "unknown environment 'chess'"),
        (["--model", "./nothing"], "no model at"),
        (["--gpu-memory", "0"], "--gpu-memory = '0'"),
    ],
)
def test_an_unsound_configuration_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(HiperError) as failure:
        rollout(["--config", str(FOLDER / RECIPES[0]), "--dry-run", *options])
    assert message in str(failure.value)
    assert of_error(failure.value) == REFUSED
