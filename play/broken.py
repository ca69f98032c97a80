"""How many episodes may be set aside because their environment broke its contract."""

from __future__ import annotations

from collections.abc import Collection

from core.errors import InvalidInputError

_NAMED = 3
"""Number of broken episodes that the error names."""


class TooManyBrokenError(InvalidInputError):
    """The environment broke its contract so often that the results would be about something else."""


def most_broken(episodes: int) -> int:
    """The number of episodes that may be set aside: a tenth, but at least one, and never all of them."""
    return min(max(1, episodes // 10), episodes - 1)


def check_broken(reasons: Collection[str], episodes: int, whole: str) -> None:
    """Checks how many episodes were set aside.

    Args:
        reasons: What the environment did wrong, for each episode that is set aside.
        episodes: Number of episodes in the whole.
        whole: The whole in words, such as `update 3`.

    Raises:
        TooManyBrokenError: they are too many; names the first of them.
    """
    most = most_broken(episodes)
    if len(reasons) > most:
        named = "; ".join(list(reasons)[:_NAMED])
        raise TooManyBrokenError(
            f"the environment broke its contract in {len(reasons)} of the {episodes} episodes of {whole}, "
            f"and at most {most} may be set aside: {named}"
        )
