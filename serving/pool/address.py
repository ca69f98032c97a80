"""The address at which others reach a server."""

from __future__ import annotations

from core.errors import InvalidInputError

_EVERYWHERE = ("0.0.0.0", "[::]", "::")
"""Hosts that mean every address of a machine, and so none that others can use."""


def advertised_address(section: str, listening: str, advertise: str | None) -> str:
    """The address `host:port` to be told to others.

    Args:
        section: Section of the configuration, for messages.
        listening: Address that the server listens on.
        advertise: Address from the configuration, if there is one; port 0 means that of `listening`.

    Raises:
        InvalidInputError: there is no such address, or it is not host:port.
    """
    if advertise is not None:
        host, _, port = advertise.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise InvalidInputError(f"{section}.advertise = {advertise!r}: host:port is accepted")
        return advertise if int(port) else f"{host}:{listening.rpartition(':')[2]}"
    if listening.rpartition(":")[0] in _EVERYWHERE:
        raise InvalidInputError(
            f"{section}.listen = {listening} does not say where others reach the server: "
            f"--{section}.advertise HOST:0 does, with the name of this machine"
        )
    return listening
