"""What the command that shows and drains model servers refuses."""

from __future__ import annotations

import pytest

from core.errors import ConfigurationError
from orchestrator.pool import pool


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "--learner.address HOST:PORT"), (["--learner.address=127.0.0.1:1", "--undo"], "needs --drain")],
)
def test_a_command_that_names_nothing_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pool(arguments)
