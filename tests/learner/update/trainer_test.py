"""Whole updates of a tiny model: what moves, what is measured, what is refused, what comes back."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from configuration.environment import EnvironmentSettings
from configuration.learner import CriticSettings, PpoSettings
from core.errors import InvalidInputError, PreconditionError
from core.role import Role
from hae import EstimatorSettings
from learner.update.trainer import Trainer
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder
from tests.learner.tiny import episodes, settings, tiny_model
from trajectory.episode import Episode


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def batch(base: ModelFolder) -> list[Episode]:
    return episodes(base)


def weights(trainer: Trainer, folder: Path) -> dict[str, torch.Tensor]:
    """Everything that an update may change, by way of a checkpoint."""
    from safetensors.torch import load_file

    trainer.save_checkpoint(folder, consumed=())
    tensors = {f"{f.name} {k}": t for f in folder.glob("*.safetensors") for k, t in load_file(f).items()}
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("skipped_in_a_row")}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(t, other[name]) for name, t in one.items())


def moved(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], part: str) -> bool:
    return any(not torch.equal(tensor, other[name]) for name, tensor in one.items() if f" {part}:" in name)


def silent(share: float, message: str) -> None:
    assert 0 <= share <= 1 and message


def test_an_update_moves_adapters_critic_and_version(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    trainer = Trainer(settings(), base, seed=0)
    before = weights(trainer, tmp_path / "0")
    update = trainer.update(batch, silent)
    after = weights(trainer, tmp_path / "1")
    assert trainer.version == 1
    for part in ("planner", "executor", "heads"):
        assert moved(before, after, part), part
    assert [len(turns) for turns in update.advantages] == [3, 3, 3, 3]
    assert all(math.isfinite(value) for value in update.metrics.values())


def test_each_part_of_an_update_is_named_when_it_begins(base: ModelFolder, batch: list[Episode]) -> None:
    told: list[tuple[float, str]] = []
    Trainer(settings(), base, seed=0).update(batch, lambda share, message: told.append((share, message)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    parts = list(dict.fromkeys(message for _, message in told))
    assert parts == ["the critic", "update of the planner", "update of the executor"]
    assert [told[next(n for n, one in enumerate(told) if one[1] == part)][0] for part in parts] == [
        0.0,
        0.3,
        0.65,
    ]


def test_the_critic_can_be_given_a_start(base: ModelFolder, batch: list[Episode], tmp_path: Path) -> None:
    trainer = Trainer(settings(critic=CriticSettings(warmup=1)), base, seed=0)
    before = weights(trainer, tmp_path / "0")
    first = trainer.update(batch, silent).metrics
    alone = weights(trainer, tmp_path / "1")
    second = trainer.update(batch, silent).metrics
    after = weights(trainer, tmp_path / "2")

    for role in ("planner", "executor"):
        assert not moved(before, alone, role)
        assert moved(alone, after, role)
        assert f"actor/{role}/loss" not in first
        assert f"actor/{role}/loss" in second
    assert moved(before, alone, "heads")
    assert trainer.version == 2


def test_the_planner_can_learn_at_a_rate_of_its_own(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    trainer = Trainer(settings(PpoSettings(learning_rate=1e-2, planner_learning_rate=1e-4)), base, seed=0)
    before = weights(trainer, tmp_path / "0")
    metrics = trainer.update(batch, silent).metrics
    after = weights(trainer, tmp_path / "1")

    def largest_step(role: str) -> float:
        own = [name for name in before if f"parameters.safetensors {role}:" in name]
        return max(float((after[name] - before[name]).abs().max()) for name in own)

    # The first step of Adam moves a parameter by the learning rate.
    assert 0 < largest_step("planner") < 2e-4
    assert largest_step("executor") > 5e-3
    assert (metrics["actor/planner/lr"], metrics["actor/executor/lr"]) == (1e-4, 1e-2)


def test_the_critic_counts_turns_by_the_step_limit_of_their_environment(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    def heads(environment: EnvironmentSettings) -> dict[str, torch.Tensor]:
        trainer = Trainer(settings(critic=CriticSettings(warmup=1), environment=environment), base, seed=0)
        trainer.update(batch, silent)
        return weights(trainer, tmp_path / str(len(list(tmp_path.iterdir()))))

    assert {episode.benchmark for episode in batch} == {"tiny"}
    mixed = heads(EnvironmentSettings(mix=("tiny=1", "other=1"), step_limit=40, step_limits=("tiny=5",)))
    assert equal(mixed, heads(EnvironmentSettings(step_limit=5)))
    assert not equal(mixed, heads(EnvironmentSettings(step_limit=40)))


def test_metrics_say_what_they_say(base: ModelFolder, batch: list[Episode]) -> None:
    trainer = Trainer(settings(), base, seed=0)
    first, second = trainer.update(batch, silent).metrics, trainer.update(batch, silent).metrics
    for role in ("planner", "executor"):
        # The sampler was the base model, and so are adapters of version 0.
        assert first[f"actor/{role}/kl_sampler"] == pytest.approx(0, abs=1e-6)
        assert first[f"actor/{role}/importance_masked_share"] == 0
        assert first[f"actor/{role}/importance_truncated_share"] == 0
        assert first[f"actor/{role}/kl_to_reference"] == pytest.approx(0, abs=1e-6)
        assert first[f"actor/{role}/gradient_norm"] > 0
        assert second[f"actor/{role}/kl_sampler"] > 1e-4
        assert second[f"actor/{role}/kl_to_reference"] > 1e-4
    # 4 episodes of subgoals of 4 and 3 tokens and of 2 decisions; 3 actions of 3 tokens.
    assert first["actor/planner/tokens"] == 4 * (4 + 3 + 2)
    assert first["actor/executor/tokens"] == 4 * 9
    assert second["critic/values/low/mean"] != first["critic/values/low/mean"]
    # Of each head, before this batch was seen and with heads that have not seen the episode.
    for head in ("low", "high", "switch"):
        assert first[f"critic/explained_variance_before/{head}"] == 0
        assert first[f"critic/explained_variance/{head}"] <= 1
    assert first["hae/advantage_low/std"] == pytest.approx(1, abs=1e-6)
    assert 0.1 < first["perf/shared_tokens_share"] < 0.9


def test_the_critic_s_loss_falls(base: ModelFolder, batch: list[Episode]) -> None:
    trainer = Trainer(settings(PpoSettings(learning_rate=1e-2, importance_band=(1e-9, 1e9))), base, seed=0)
    first = trainer.update(batch, silent).metrics
    losses = [trainer.update(batch, silent).metrics["critic/loss"] for _ in range(6)]
    assert losses[-1] < first["critic/loss"]


@pytest.mark.parametrize(
    "changed",
    [
        {"critic": CriticSettings(heads="two")},
        {"estimator": EstimatorSettings(estimator="grpo")},
        {"estimator": EstimatorSettings(estimator="gae")},
        {"estimator": EstimatorSettings(estimator="dgae", bootstrap="final", lambda_target=1.0)},
        {"estimator": EstimatorSettings(estimator="gigpo")},
        {"estimator": EstimatorSettings(bootstrap="final")},
        {"ppo": PpoSettings(kl_coefficient=0, entropy_coefficient=0.01, epochs=2, minibatches=3)},
    ],
)
def test_other_ways_to_learn(base: ModelFolder, batch: list[Episode], changed: dict[str, object]) -> None:
    trainer = Trainer(settings(**changed), base, seed=0)
    metrics = trainer.update(batch, silent).metrics
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["actor/executor/gradient_norm"] > 0


def test_the_second_pass_is_measured_against_the_policy_before_the_first(
    base: ModelFolder, batch: list[Episode]
) -> None:
    ppo = PpoSettings(learning_rate=3e-2, epochs=3, clip=0.05)
    metrics = Trainer(settings(ppo), base, seed=0).update(batch, silent).metrics
    assert metrics["actor/executor/clip_fraction"] > 0
    assert metrics["actor/executor/kl_sampler"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_each_minibatch_of_each_pass_is_a_step(
    base: ModelFolder, batch: list[Episode], tmp_path: Path, epochs: int, minibatches: int
) -> None:
    ppo = PpoSettings(epochs=epochs, minibatches=minibatches)
    trainer = Trainer(settings(ppo), base, seed=0)
    trainer.update(batch, silent)
    steps = {n: int(t) for n, t in weights(trainer, tmp_path / "1").items() if n.endswith("/step")}
    for part in ("planner", "executor"):
        assert {count for name, count in steps.items() if f" {part}:" in name} == {epochs * minibatches}


def test_pack_size_does_not_change_the_update(base: ModelFolder, batch: list[Episode]) -> None:
    def metrics(pack_tokens: int) -> dict[str, float]:
        made = settings()
        made = replace(made, learner=made.learner.model_copy(update={"pack_tokens": pack_tokens}))
        return Trainer(made, base, seed=0).update(batch, silent).metrics

    one, other = metrics(128), metrics(4096)
    for name in ("actor/planner/gradient_norm", "actor/executor/loss", "critic/loss"):
        assert one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-5), name


def test_stopped_and_resumed_is_bit_for_bit_the_same(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    made = settings(PpoSettings(learning_rate=1e-2, epochs=2, minibatches=2, importance_band=(1e-9, 1e9)))
    trainer = Trainer(made, base, seed=0)
    trainer.update(batch, silent)
    trainer.save_checkpoint(tmp_path / "1", consumed=[3, 1])
    trainer.update(batch, silent)

    resumed = Trainer(made, base, seed=0)
    resumed.load_checkpoint(tmp_path / "1")
    assert (resumed.version, resumed.consumed) == (1, (3, 1))
    resumed.remember(0, batch)
    resumed.update(batch, silent)
    assert equal(weights(trainer, tmp_path / "a"), weights(resumed, tmp_path / "b"))
    # A trainer that has gone on forgets what it must not know when it loads an older checkpoint.
    trainer.load_checkpoint(tmp_path / "1")
    trainer.remember(0, batch)
    trainer.update(batch, silent)
    assert equal(weights(trainer, tmp_path / "c"), weights(resumed, tmp_path / "d"))


def test_adapters_are_folders_that_peft_loads(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    trainer = Trainer(settings(), base, seed=0)
    trainer.update(batch, silent)
    for role in Role:
        trainer.save_adapter(role, tmp_path / role.value)
        trainer.save_adapter(role, tmp_path / role.value)  # In place of the one that is there.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["executor", "planner"]
    plain = AutoModelForCausalLM.from_pretrained(base.path)
    ids = torch.tensor([[5, 6, 7]])
    before = plain(ids).logits
    adapted = peft.PeftModel.from_pretrained(plain, tmp_path / "planner")
    assert (adapted(ids).logits - before).abs().max() > 1e-3

    other = Trainer(settings(), base, seed=7)
    other.load_adapters(AdapterPair.within(tmp_path))
    other.save_adapter(Role.PLANNER, tmp_path / "again")
    name = "adapter_model.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "planner" / name).read_bytes()


def test_a_sampler_that_disagrees_stops_the_run(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    def other_sampler(episode: Episode) -> Episode:
        turns = tuple(
            replace(
                t,
                plan=replace(
                    t.plan,
                    generation=replace(
                        t.plan.generation, logprobs=tuple(p - 2 for p in t.plan.generation.logprobs)
                    ),
                ),
            )
            for t in episode.turns
        )
        return replace(episode, turns=turns)

    trainer = Trainer(settings(), base, seed=0)
    before = weights(trainer, tmp_path / "0")
    with pytest.raises(PreconditionError, match="importance_stop"):
        trainer.update([other_sampler(e) for e in batch], silent)
    assert trainer.version == 0
    after = weights(trainer, tmp_path / "1")
    assert not moved(before, after, "planner") and not moved(before, after, "executor")


def test_a_step_that_is_not_finite_is_skipped_and_counted(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    trainer = Trainer(settings(), base, seed=0)
    before = weights(trainer, tmp_path / "0")
    # Advantages are finite in float32, their squares are not. The critic learns in units of the reward.
    vast = EstimatorSettings(success_reward=1e30, normalize=False)
    broken = Trainer(settings(estimator=vast), base, seed=0)
    metrics = broken.update(batch, silent).metrics
    assert metrics["actor/executor/skipped_steps"] == 1
    assert all(math.isfinite(value) for value in metrics.values())
    after = weights(broken, tmp_path / "1")
    assert not moved(before, after, "planner") and not moved(before, after, "executor")


def test_no_episodes_are_refused(base: ModelFolder) -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        Trainer(settings(), base, seed=0).update([], silent)


@pytest.fixture(scope="module")
def start(base: ModelFolder, batch: list[Episode], tmp_path_factory: pytest.TempPathFactory) -> AdapterPair:
    """Adapters that have learnt something."""
    trainer = Trainer(settings(), base, seed=0)
    trainer.update(batch, silent)
    pair = AdapterPair.within(tmp_path_factory.mktemp("start"))
    for role, folder in pair.items():
        trainer.save_adapter(role, folder)
    return pair


ANY_WEIGHT = (1e-9, 1e9)


@pytest.mark.parametrize(("reference", "first_kl"), [("start", False), ("base", True)])
def test_policies_are_held_to_where_they_started_or_to_the_base(
    base: ModelFolder, batch: list[Episode], start: AdapterPair, reference: str, first_kl: bool
) -> None:
    ppo = PpoSettings(learning_rate=1e-2, kl_reference=reference, importance_band=ANY_WEIGHT)
    trainer = Trainer(settings(ppo), base, seed=0)
    trainer.load_adapters(start)
    trainer.load_reference(start)
    first, second = trainer.update(batch, silent).metrics, trainer.update(batch, silent).metrics
    for role in Role:
        assert (first[f"actor/{role.value}/kl_to_reference"] > 1e-4) == first_kl
        assert second[f"actor/{role.value}/kl_to_reference"] > 1e-4


def test_a_run_held_to_its_start_resumes_bit_for_bit(
    base: ModelFolder, batch: list[Episode], start: AdapterPair, tmp_path: Path
) -> None:
    made = settings(PpoSettings(learning_rate=1e-2, kl_coefficient=0.3, importance_band=ANY_WEIGHT))
    trainer = Trainer(made, base, seed=0)
    trainer.load_adapters(start)
    for role in Role:
        trainer.save_adapter(role, tmp_path / role.value)
    trainer.load_reference(start)
    trainer.update(batch, silent)
    trainer.save_checkpoint(tmp_path / "1", consumed=())
    trainer.update(batch, silent)

    resumed = Trainer(made, base, seed=0)
    resumed.load_checkpoint(tmp_path / "1")
    resumed.load_reference(AdapterPair.within(tmp_path))
    resumed.remember(0, batch)
    resumed.update(batch, silent)
    assert equal(weights(trainer, tmp_path / "a"), weights(resumed, tmp_path / "b"))
    unheld = Trainer(made, base, seed=0)
    unheld.load_checkpoint(tmp_path / "1")
    unheld.update(batch, silent)
    assert not equal(weights(trainer, tmp_path / "a"), weights(unheld, tmp_path / "c"))


def test_the_reference_is_frozen_and_in_no_file(
    base: ModelFolder, batch: list[Episode], start: AdapterPair, tmp_path: Path
) -> None:
    plain, held = Trainer(settings(), base, seed=0), Trainer(settings(), base, seed=0)
    held.load_reference(start)
    assert weights(plain, tmp_path / "0").keys() == weights(held, tmp_path / "1").keys()
    before = {n: p.clone() for n, p in held._model.peft.named_parameters() if "_reference" in n}
    held.update(batch, silent)
    after = dict(held._model.peft.named_parameters())
    assert before and all(torch.equal(p, after[n]) and after[n].grad is None for n, p in before.items())
    held.save_adapter(Role.PLANNER, tmp_path / "planner")
    plain.load_adapters(AdapterPair(tmp_path / "planner", start.executor))


def test_without_a_warm_start_the_start_is_the_base(
    base: ModelFolder, batch: list[Episode], tmp_path: Path
) -> None:
    made = settings(PpoSettings(learning_rate=1e-2, kl_coefficient=0.3, importance_band=ANY_WEIGHT))
    held, plain = Trainer(made, base, seed=0), Trainer(made, base, seed=0)
    for role in Role:
        held.save_adapter(role, tmp_path / role.value)
    held.load_reference(AdapterPair.within(tmp_path))
    for trainer in (held, plain):
        for _ in range(2):
            trainer.update(batch, silent)
    assert equal(weights(held, tmp_path / "a"), weights(plain, tmp_path / "b"))
