"""Random batches for the property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from hae import EstimatorSettings, KeepPenalty, TurnBatch

PLAIN = EstimatorSettings(
    lambda_segment=1.0,
    normalize=False,
    keep_penalty=KeepPenalty(mode="none"),
    invalid_action_penalty=0.0,
)
"""gamma = lambda = 1, no penalties, no bootstrap, no normalisation."""


def random_batch(
    seed: int,
    lengths: list[int],
    *,
    switch_share: float = 0.3,
    values: float = 2.0,
    terminated: bool | None = None,
) -> TurnBatch:
    """A batch with every field set; `values` is the scale of the value functions."""
    rng = np.random.default_rng(seed)
    turns, episodes = sum(lengths), len(lengths)
    return TurnBatch(
        episode_offsets=np.concatenate(([0], np.cumsum(lengths))),
        reward=rng.normal(size=turns),
        switch=rng.random(turns) < switch_share,
        terminated=rng.random(episodes) < 0.5 if terminated is None else np.full(episodes, terminated),
        value_low=values * rng.normal(size=turns),
        value_high=values * rng.normal(size=turns),
        value_switch=values * rng.normal(size=turns),
        action_valid=rng.random(turns) < 0.8,
        final_value_low=values * rng.normal(size=episodes),
        final_value_high=values * rng.normal(size=episodes),
        final_value_switch=values * rng.normal(size=episodes),
        group=rng.integers(0, 3, size=episodes),
        state=rng.integers(0, 4, size=turns),
    )


seeds = st.integers(0, 2**32 - 1)
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=6)
batches = st.builds(
    random_batch, seeds, lengths, switch_share=st.sampled_from([0.0, 0.2, 0.7, 1.0]), values=st.just(2.0)
)
gammas = st.sampled_from([0.5, 0.9, 0.99, 1.0])
fractions = st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0])
settings = st.builds(
    EstimatorSettings,
    gamma=gammas,
    lambda_turn=fractions,
    lambda_segment=fractions,
    lambda_boundary=fractions,
    lambda_decision=fractions,
    lambda_target=st.none() | fractions,
    keep_penalty=st.builds(
        KeepPenalty,
        mode=st.sampled_from(["none", "fixed", "normalized"]),
        value=st.sampled_from([-0.3, -3.5]),
    ),
    invalid_action_penalty=st.sampled_from([0.0, 0.1]),
    bootstrap=st.sampled_from(["none", "last", "final"]),
    normalize=st.just(False),
)
