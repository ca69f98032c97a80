"""The pair of adapters that a run, or its teaching, is given to start from."""

from __future__ import annotations

from configuration.learner import ImitationSettings
from core.errors import NotFoundError
from core.paths import user_path
from serving.adapters.pair import AdapterPair


def given_pair(imitation: ImitationSettings) -> AdapterPair | None:
    """The pair in `imitation.adapters`, or None if none is given.

    Raises:
        NotFoundError: it is not complete.
    """
    if imitation.adapters is None:
        return None
    pair = AdapterPair.within(user_path(str(imitation.adapters)))
    if missing := pair.missing():
        raise NotFoundError(
            f"imitation.adapters: there is no {missing[1]}; accepted is a folder with `planner` and "
            f"`executor`, a PEFT folder each"
        )
    return pair
