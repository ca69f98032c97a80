"""Where others reach a server."""

from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from serving.pool.address import advertised_address


@pytest.mark.parametrize(
    ("listening", "advertise", "address"),
    [
        ("127.0.0.1:7001", None, "127.0.0.1:7001"),
        ("[::1]:7001", None, "[::1]:7001"),
        ("0.0.0.0:7001", "gpu-3:7002", "gpu-3:7002"),
        ("0.0.0.0:43817", "gpu-3:0", "gpu-3:43817"),
        ("[::]:7001", "[fe80::1]:0", "[fe80::1]:7001"),
    ],
)
def test_the_address_is_the_advertised_one_or_that_of_listen(
    listening: str, advertise: str | None, address: str
) -> None:
    assert advertised_address("planner", listening, advertise) == address


@pytest.mark.parametrize("listening", ["0.0.0.0:7001", "[::]:7001"])
def test_a_server_that_listens_everywhere_must_say_where_it_is(listening: str) -> None:
    with pytest.raises(InvalidInputError, match=r"planner.listen = .*--planner.advertise HOST:0 does"):
        advertised_address("planner", listening, None)


@pytest.mark.parametrize("advertise", ["gpu-3", ":7001", "gpu-3:", "gpu-3:x", "gpu-3:65536"])
def test_what_is_no_address_is_refused_by_name(advertise: str) -> None:
    with pytest.raises(InvalidInputError, match="executor.advertise = .*: host:port is accepted"):
        advertised_address("executor", "0.0.0.0:7001", advertise)
