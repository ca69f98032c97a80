"""The drills of pools, in short: two servers are killed, and one is restarted."""

from tests.drills.drill import Effort
from tests.drills.pools import rolling_restart, strikes


def test_servers_that_are_killed_in_mid_episode_change_no_token() -> None:
    row = strikes(Effort(scale=0.04))
    assert row.injected == 2 and row.passed, row


def test_a_server_that_is_restarted_under_load_fails_no_episode() -> None:
    row = rolling_restart(Effort(scale=0.01))
    assert row.injected == 1 and row.passed, row
