"""A network of this process alone, with an address that other machines could have."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ADDRESS = "10.77.0.1"
_NEW_NETWORK = 0x40000000


@contextmanager
def own_network() -> Iterator[str]:
    """Moves this thread, and all that it starts, into a network namespace; the address there.

    Ray rewrites loopback addresses to those of the machine, which a test must not use.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("making a network namespace needs root and the command ip (Debian: iproute2)")
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    _checked(libc.unshare(_NEW_NETWORK))
    try:
        for command in (
            "link set lo up",
            "link add inside type veth peer name beside",
            f"addr add {ADDRESS}/24 dev inside",
            "link set inside up",
            "link set beside up",
            f"route add default via {ADDRESS}",
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        yield ADDRESS
    finally:
        _checked(libc.setns(outside, _NEW_NETWORK))
        os.close(outside)


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
