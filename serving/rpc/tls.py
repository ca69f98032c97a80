"""gRPC credentials from PEM files."""

from __future__ import annotations

from pathlib import Path

import grpc

from configuration.servers import TlsSettings
from core.errors import InvalidInputError, NotFoundError
from core.paths import user_path


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials | None:
    """A server's credentials, or None for unencrypted connections.

    With `authority` set, clients must present a certificate that it has signed.
    """
    if tls.certificate is None and tls.key is None and tls.authority is None:
        return None
    if tls.certificate is None or tls.key is None:
        raise InvalidInputError("tls: a server needs both tls.certificate and tls.key")
    pair = (_read(tls.key, "tls.key"), _read(tls.certificate, "tls.certificate"))
    authority = _read(tls.authority, "tls.authority") if tls.authority else None
    return grpc.ssl_server_credentials(
        [pair], root_certificates=authority, require_client_auth=authority is not None
    )


def channel_credentials(tls: TlsSettings) -> grpc.ChannelCredentials | None:
    """A client's credentials, with its certificate if there is one; None for unencrypted connections."""
    if tls.certificate is None and tls.key is None and tls.authority is None:
        return None
    if (tls.certificate is None) != (tls.key is None):
        raise InvalidInputError("tls: tls.certificate and tls.key go together")
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.authority, "tls.authority") if tls.authority else None,
        private_key=_read(tls.key, "tls.key") if tls.key else None,
        certificate_chain=_read(tls.certificate, "tls.certificate") if tls.certificate else None,
    )


def _read(path: Path, key: str) -> bytes:
    try:
        return user_path(path).read_bytes()
    except OSError as error:
        raise NotFoundError(f"{key}: {user_path(path)} cannot be read: {error.strerror}") from error
