"""How many broken episodes are set aside before they are too many."""

from __future__ import annotations

import pytest

from core import exit_codes
from play.broken import TooManyBrokenError, check_broken, most_broken


@pytest.mark.parametrize(("episodes", "most"), [(1, 0), (2, 1), (8, 1), (10, 1), (19, 1), (20, 2), (128, 12)])
def test_a_tenth_may_be_broken_and_one_of_several_always(episodes: int, most: int) -> None:
    assert most_broken(episodes) == most
    check_broken(["a bug"] * most, episodes, "update 1")
    with pytest.raises(TooManyBrokenError, match=f"{most + 1} of the {episodes} episodes of update 1"):
        check_broken(["a bug"] * (most + 1), episodes, "update 1")


def test_the_first_are_named_and_the_command_cannot_succeed_as_it_is() -> None:
    with pytest.raises(TooManyBrokenError, match="may be set aside: one; two; three$") as caught:
        check_broken(["one", "two", "three", "four"], 20, "the evaluation")
    assert exit_codes.of_error(caught.value) == exit_codes.REFUSED
