"""Seeds derived from one another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.seeds import derive

LABELS = st.lists(st.integers() | st.text(alphabet="ab1 ,", max_size=3), max_size=3)


def test_seeds_stay_the_same_from_version_to_version() -> None:
    # Recorded: with other seeds, an old run could not be repeated or resumed.
    assert derive(7, "task", 3) == 9218432775294235195
    assert derive(0) == 3456079177858693020


@given(st.integers(), LABELS)
def test_a_seed_fits_into_63_bits(seed: int, labels: list[int | str]) -> None:
    assert 0 <= derive(seed, *labels) < 2**63
    assert derive(seed, *labels) == derive(seed, *labels)


@given(st.integers(), LABELS, st.integers(), LABELS)
def test_other_labels_give_another_seed(
    seed: int, labels: list[int | str], other_seed: int, other_labels: list[int | str]
) -> None:
    same = [str(part) for part in (seed, *labels)] == [str(part) for part in (other_seed, *other_labels)]
    assert (derive(seed, *labels) == derive(other_seed, *other_labels)) is same


def test_digits_do_not_flow_from_one_label_into_the_next() -> None:
    assert len({derive(1, 23), derive(12, 3), derive(123), derive(1, 2, 3)}) == 4


def test_seeds_of_neighbours_are_spread_over_the_whole_range() -> None:
    seeds = np.array([derive(0, number) for number in range(4000)], dtype=np.float64) / 2**63
    counts, _ = np.histogram(seeds, bins=10, range=(0, 1))
    assert counts.min() > 300 and counts.max() < 500
