"""Hosts of their own on this machine: network namespaces on one bridge, whose links can be cut."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_SWITCH = "hiper-switch"
_NETWORK = "10.78.0"


@dataclass(frozen=True)
class Host:
    """A network namespace with one link."""

    name: str
    address: str

    def command(self, *words: str) -> list[str]:
        """The command line that runs a command on this host."""
        return ["ip", "netns", "exec", self.name, *words]

    def cut(self) -> None:
        """Nothing reaches this host, or comes from it, any more; nobody is told."""
        _ip(_SWITCH, f"link set {self.name} down")

    def heal(self) -> None:
        _ip(_SWITCH, f"link set {self.name} up")


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Hosts that reach each other, and nothing else.

    Raises:
        PermissionError: this is not root.
    """
    if os.geteuid() != 0:
        raise PermissionError("making network namespaces needs root")
    made = [Host(f"hiper-{name}"[:15], f"{_NETWORK}.{number}") for number, name in enumerate(names, start=1)]
    _delete([_SWITCH, *(host.name for host in made)])
    try:
        _run("ip", "netns", "add", _SWITCH)
        for line in ("link add bridge type bridge", "link set bridge up"):
            _ip(_SWITCH, line)
        for host in made:
            _run("ip", "netns", "add", host.name)
            _ip(_SWITCH, f"link add {host.name} type veth peer name eth0 netns {host.name}")
            _ip(_SWITCH, f"link set {host.name} master bridge")
            _ip(_SWITCH, f"link set {host.name} up")
            for line in ("link set lo up", f"addr add {host.address}/24 dev eth0", "link set eth0 up"):
                _ip(host.name, line)
        yield made
    finally:
        _delete([*(host.name for host in made), _SWITCH])


def _delete(names: Sequence[str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def _ip(namespace: str, line: str) -> None:
    _run("ip", "-n", namespace, *line.split())


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
