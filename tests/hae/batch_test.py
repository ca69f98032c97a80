"""What a batch takes, and what it says of what it does not take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hae import BatchError, Episode, EstimatorSettings, TurnBatch, estimate

GOOD = {
    "episode_offsets": [0, 2, 5],
    "reward": [0.0, 1.0, 0.0, 0.0, 1.0],
    "switch": [True, False, True, False, True],
    "terminated": [True, False],
    "value_low": [0.5] * 5,
    "value_high": [0.25] * 5,
}
STATES = ["door", "hall", "door", "hall", "attic"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": [0.0, 1.0, 0.0, float("nan"), 1.0]}, "reward is nan at episode 1, turn 1"),
        ({"value_low": [0.0, float("inf"), 0.0, 0.0, 0.0]}, "value_low is inf at episode 0, turn 1"),
        ({"switch": [1, 0, 1, 0, 2]}, "switch is .*2.* at episode 1, turn 2"),
        ({"switch": [0.5, 0, 1, 0, 1]}, "switch is .*0.5.* at episode 0, turn 0"),
        ({"terminated": [True, 3]}, "terminated is .*3.* at episode 1"),
        ({"value_high": [0.0] * 4}, r"value_high has shape \(4,\), but the batch has 5 turns"),
        ({"state": ["s"] * 4}, r"state has shape \(4,\), but the batch has 5 turns"),
        ({"terminated": [True]}, r"terminated has shape \(1,\), but the batch has 2 episodes"),
        ({"reward": [[0.0]]}, r"reward has shape \(1, 1\)"),
        ({"value_low": [["a"]] * 5}, "value_low holds <U1"),
        ({"episode_offsets": [0, 2]}, "from 0 to the number of turns, 5"),
        ({"episode_offsets": [1, 5]}, "from 0 to the number of turns, 5"),
        ({"episode_offsets": [0, 2, 2, 5]}, "episode 1 has no turns"),
        ({"episode_offsets": [0.0, 5.0]}, "episode_offsets is float64"),
        ({"episode_offsets": [0]}, "from 0"),
        ({"final_value_high": [0.0, float("nan")]}, "final_value_high is nan at episode 1"),
        ({"value_low": None, "reward": None}, "reward has shape"),
    ],
)
def test_a_wrong_batch_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(BatchError, match=message):
        TurnBatch(**(GOOD | change))


@pytest.mark.parametrize(
    ("estimator", "lacking"),
    [
        ("hae", "value_high"),
        ("gae", "value_low"),
        ("dgae", "value_low"),
        ("dgae", "value_high"),
        ("grpo", "group"),
        ("gigpo", "group"),
        ("gigpo", "state"),
    ],
)
def test_an_estimator_names_the_field_it_lacks(estimator: str, lacking: str) -> None:
    batch = TurnBatch(**(GOOD | {"group": ["a", "b"], "state": [0] * 5} | {lacking: None}))
    with pytest.raises(BatchError, match=f"{estimator} needs {lacking}"):
        estimate(batch, EstimatorSettings(estimator=estimator))


def test_a_final_value_is_needed_only_after_truncation() -> None:
    settings = EstimatorSettings(bootstrap="final")
    with pytest.raises(BatchError, match="needs final_value_low"):
        estimate(TurnBatch(**GOOD), settings)
    estimate(TurnBatch(**(GOOD | {"terminated": [True, True]})), settings)


def test_torch_tensors_of_any_float_type_are_taken() -> None:
    tensors = {name: torch.tensor(value) for name, value in GOOD.items()}
    tensors["reward"] = tensors["reward"].to(torch.bfloat16).requires_grad_()
    ours = estimate(TurnBatch(**tensors), EstimatorSettings())
    expected = estimate(TurnBatch(**GOOD), EstimatorSettings())
    np.testing.assert_array_equal(ours.low, expected.low)
    np.testing.assert_array_equal(ours.high, expected.high)


def test_the_callers_arrays_stay_writable_and_ours_are_not() -> None:
    reward = np.zeros(5)
    batch = TurnBatch(**(GOOD | {"reward": reward}))
    reward[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        batch.reward[0] = 2.0


def test_episodes_join_to_the_same_batch() -> None:
    whole = TurnBatch(**GOOD)
    cut = [
        Episode(
            reward=GOOD["reward"][turns],
            switch=GOOD["switch"][turns],
            terminated=GOOD["terminated"][e],
            value_low=GOOD["value_low"][turns],
            value_high=torch.tensor(GOOD["value_high"][turns]),
            state=STATES[turns],
        )
        for e, turns in enumerate([slice(0, 2), slice(2, 5)])
    ]
    joined = TurnBatch.from_episodes(cut)
    assert joined.episodes == 2
    assert joined.turns == 5
    assert joined.state is not None
    assert joined.state.tolist() == STATES
    for name in GOOD:
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_episodes_that_do_not_fit_are_named() -> None:
    one = Episode(reward=[0.0], switch=[True], terminated=True, value_low=[1.0])
    other = Episode(reward=[0.0], switch=[True], terminated=True)
    with pytest.raises(BatchError, match="value_low is missing in episode 1"):
        TurnBatch.from_episodes([one, other])
    with pytest.raises(BatchError, match=r"switch has shape \(2,\) in episode 1, which has 1 turns"):
        TurnBatch.from_episodes([other, Episode(reward=[0.0], switch=[True, True], terminated=True)])
    with pytest.raises(BatchError, match="episode 1 has no turns"):
        TurnBatch.from_episodes([other, Episode(reward=[], switch=[], terminated=True)])
    with pytest.raises(BatchError, match="no episodes"):
        TurnBatch.from_episodes([])
