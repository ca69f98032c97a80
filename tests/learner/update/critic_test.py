"""The critic: values from heads that have not seen an episode, its memory of earlier batches, its metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from configuration.learner import CriticSettings, LoraSettings
from core.errors import DivergedError
from core.role import Role
from hae import EstimatorSettings
from learner.update.credit import HEADS, States, turn_batch
from learner.update.critic import Critic, Experience, Valued, explained_variance
from learner.update.features import FeatureReader, turn_counts
from learner.update.folds import Folds
from learner.update.policy import AdaptedModel
from run_folder import metric_names as names
from serving.model import ModelFolder
from tests.learner.tiny import episodes, tiny_model
from trajectory.episode import Episode

STEP_LIMIT = 10


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def played(base: ModelFolder) -> list[Episode]:
    return episodes(base, count=8)


@pytest.fixture(scope="module")
def reader(base: ModelFolder) -> FeatureReader:
    folder: Path = base.path
    lora = LoraSettings(rank=2, alpha=4)
    return FeatureReader(AdaptedModel(folder, lora, torch.float32, torch.device("cpu"), seed=0), 128)


def critic(reader: FeatureReader, estimator: EstimatorSettings | None = None, **settings: object) -> Critic:
    made = CriticSettings(**settings)  # type: ignore[arg-type]
    return Critic(reader, made, estimator or EstimatorSettings())


def read(of: Critic, batch: list[Episode], bootstrap: str = "none") -> Experience:
    states = States.of(batch, bootstrap)
    limits = np.full(len(batch), STEP_LIMIT)
    return of.read(turn_batch(batch, EstimatorSettings()), states, limits, lambda share: None)[0]


def update(of: Critic, batch: list[Episode], version: int = 0) -> Valued:
    return of.update(read(of, batch), version, np.random.default_rng([0, version]))


def lost(episode: Episode) -> Episode:
    turns = tuple(replace(turn, reward=0.0) for turn in episode.turns)
    return replace(episode, turns=turns, won=False)


def test_features_are_those_of_each_prompt_alone_by_its_role_s_adapter(
    base: ModelFolder, played: list[Episode]
) -> None:
    model = AdaptedModel(base.path, LoraSettings(rank=2, alpha=4), torch.float32, torch.device("cpu"), 0)
    name = model.add_reference("executor")
    with torch.no_grad():
        for key, parameter in model.peft.named_parameters():
            if f".{name}." in key:
                parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(0))
    reader = FeatureReader(model, 128)
    plain, _ = reader.read(States.of(played, "none"), lambda share: None)
    reader.adapters[Role.EXECUTOR] = name
    shares: list[float] = []
    found, computed = reader.read(States.of(played, "none"), shares.append)
    assert found.shape == (48, 128) and shares[-1] == 1.0 and 0 < computed < 48 * 16
    np.testing.assert_array_equal(found[:24], plain[:24])
    assert np.abs(found[24:] - plain[24:]).max() > 0.01
    one, _ = reader.read(States.of(played[3:4], "none"), lambda share: None)
    np.testing.assert_allclose(one, found[[9, 10, 11, 33, 34, 35]], rtol=1e-3, atol=1e-4)


def test_counts_say_how_far_episode_and_subgoal_are(played: list[Episode]) -> None:
    # Each episode is SWITCH, KEEP, SWITCH; the second one ran out of turns.
    states = States.of(played[:2], "final")
    batch = turn_batch(played[:2], EstimatorSettings())
    counts = turn_counts(batch, states, np.array([10, 20]))
    limit = np.array([10, 20])[states.episodes]
    turn, age, first, new = (counts.T * [limit, limit, limit**0, limit**0]).round().astype(int).tolist()
    assert turn == [0, 1, 2] * 4 + [3, 3]
    assert age == [0, 1, 2] * 2 + [0, 1, 0] * 2 + [1, 1], "before the planner's decision, and after it"
    assert first == [1, 0, 0] * 4 + [0, 0]
    assert new == [1, 0, 0] * 2 + [1, 0, 1] * 2 + [0, 0]


def test_all_prompts_of_an_episode_are_in_the_same_fold() -> None:
    episodes_of_prompts = np.array([0, 0, 1, 2, 2, 3, 4, 5, 6] * 2)
    folds = Folds.of(episodes_of_prompts, episodes=7, most=3, generator=np.random.default_rng(0))
    assert folds.count == 3
    of_episodes = [set(folds.of_prompts[episodes_of_prompts == place]) for place in range(7)]
    assert all(len(found) == 1 for found in of_episodes)
    assert sorted(of_episodes.count({fold}) for fold in range(3)) == [2, 2, 3]


def test_a_fold_s_heads_neither_learn_from_it_nor_let_it_choose() -> None:
    folds = Folds(3, np.zeros(0, dtype=np.int64))
    assert [folds.without(fold) for fold in range(3)] == [([-1, 2], [1]), ([-1, 0], [2]), ([-1, 1], [0])]
    assert folds.all_but_held_out == ([-1, 1, 2], [0])
    assert Folds(2, folds.of_prompts).without(0) == ([-1, 1], [])
    assert Folds(1, folds.of_prompts).without(0) == ([-1], [])


def test_no_value_depends_on_the_return_of_its_own_episode(
    reader: FeatureReader, played: list[Episode]
) -> None:
    values = update(critic(reader), played).values
    changed = [lost(played[0]), *played[1:]]
    others = update(critic(reader), changed).values
    own = [0, 1, 2, 24, 25, 26]
    np.testing.assert_array_equal(values[own], others[own])
    assert np.abs(values - others).max() > 1e-3, "the others' values do"


def test_the_first_values_are_near_the_mean_return(reader: FeatureReader, played: list[Episode]) -> None:
    metrics = update(critic(reader), played).metrics
    assert metrics[names.target_mean("low")] == pytest.approx(5.0, abs=0.5), "half of the episodes were won"
    assert metrics[names.value_mean("low")] == pytest.approx(5.0, abs=2.5)


def test_returns_are_learnt_from_batch_to_batch(reader: FeatureReader, played: list[Episode]) -> None:
    of = critic(reader)
    found = [update(of, played, version).metrics for version in range(4)]
    for head in HEADS["three"]:
        assert found[0][names.explained_before(head)] == 0.0
        assert found[3][names.explained_before(head)] > 0.5, "it has seen these very episodes"
    assert found[3][names.LOSS] < found[0][names.LOSS]


def test_the_last_batches_are_remembered(reader: FeatureReader, played: list[Episode]) -> None:
    def after(batches: dict[int, list[Episode]], memory: int) -> Valued:
        of = critic(reader, memory=memory)
        of.heads = of.heads.standardizing(
            *torch.randn(2, 9, 132, generator=torch.Generator().manual_seed(0)).double()
        )
        for version, batch in batches.items():
            of.remember(version, read(of, batch))
        return update(of, played[:4], version=3)

    none = after({}, memory=2).values
    np.testing.assert_array_equal(none, after({0: played[4:]}, memory=2).values)
    two = after({1: played[4:6], 2: played[6:]}, memory=2).values
    assert np.abs(two - none).max() > 1e-3
    np.testing.assert_array_equal(two, after({0: played, 1: played[4:6], 2: played[6:]}, memory=2).values)
    # As if update 3 had been skipped: the batch before it is not in the last one place.
    np.testing.assert_array_equal(none, after({1: played[4:]}, memory=1).values)


def test_one_or_two_episodes_are_enough(reader: FeatureReader, played: list[Episode]) -> None:
    for count in (1, 2, 3):
        of = critic(reader)
        for version in range(2):
            values = update(of, played[:count], version).values
            assert np.isfinite(values).all() and values.shape == (6 * count, 3)


@pytest.mark.parametrize("estimator", ["hae", "gae", "dgae"])
def test_targets_are_returns_or_the_estimator_s(
    reader: FeatureReader, played: list[Episode], estimator: str
) -> None:
    settings = EstimatorSettings(estimator=estimator, keep_penalty={"mode": "none"}, lambda_turn=0.5)
    won = played[:1]

    def targets(kind: str) -> list[float]:
        of = critic(reader, settings, targets=kind)
        experience = read(of, won)
        found = of._targets(experience, np.full((6, 3), 2.0))
        return found.values[:, 2].tolist()

    # An action that could not be parsed cost 0.1 in the second turn.
    assert targets("returns") == pytest.approx([9.9, 9.9, 10.0])
    assert targets("estimator")[0] != pytest.approx(9.9)


def test_heads_that_explain_little_are_warned_of_if_the_estimator_relies_on_them(
    reader: FeatureReader, played: list[Episode], caplog: pytest.LogCaptureFixture
) -> None:
    # With such a penalty, heads explain nothing.
    for lambda_turn, relied_on in ((0.95, 3), (1.0, 0)):
        caplog.clear()
        settings = EstimatorSettings(estimator="gae", lambda_turn=lambda_turn)
        metrics = update(critic(reader, settings, penalties=(1e9,)), played).metrics
        assert metrics[names.WEAK_HEADS] == len(caplog.messages) == relied_on
        assert not relied_on or "with V_high, which gae relies on" in caplog.messages[0]
    of = critic(reader, EstimatorSettings(estimator="gae", lambda_turn=0.95), penalties=(0.01,))
    update(of, played)
    metrics = update(of, played, version=1).metrics
    assert metrics[names.WEAK_HEADS] == 0.0, "it has seen these very episodes"


def test_values_that_are_not_finite_are_refused(reader: FeatureReader, played: list[Episode]) -> None:
    of = critic(reader)
    with torch.no_grad():
        of.heads.shared.fill_(torch.nan)
    with pytest.raises(DivergedError, match="the critic's values of 48 of 48 prompts are not finite"):
        update(of, played)


@pytest.mark.parametrize(
    ("value", "target", "explained"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([2, 2, 2], [1, 2, 3], 0.0),
        ([3, 2, 1], [1, 2, 3], -3.0),
        ([5, 1], [2, 2], 0.0),
    ],
)
def test_explained_variance(value: list[float], target: list[float], explained: float) -> None:
    assert explained_variance(np.array(value, float), np.array(target, float)) == pytest.approx(explained)
