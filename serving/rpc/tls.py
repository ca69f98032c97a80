"""gRPC credentials from PEM files, and the check that a server that needs them has them."""

from __future__ import annotations

import ipaddress
import logging
import ssl

import grpc

from configuration.servers import TlsSettings
from core.errors import InvalidInputError
from core.paths import user_path
from serving.rpc.certificates import CertificateFiles, Certificates

_log = logging.getLogger(__name__)


def check_exposure(listen: str, tls: TlsSettings) -> None:
    """Checks that a server that other machines can reach authenticates its callers.

    Raises:
        InvalidInputError: it can be reached and has neither `authority` nor `insecure` set.
    """
    if tls.authority is not None or is_loopback(listen.rpartition(":")[0]):
        return
    if not tls.insecure:
        raise InvalidInputError(
            f"listen = {listen}: other machines can reach it, and without tls.authority anyone there may "
            f"make every call. Set tls.authority, tls.certificate and tls.key; or tls.insecure = true in a "
            f"network that you trust as a whole"
        )
    _log.warning("INSECURE: anyone who reaches %s may make every call, and push adapters", listen)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    host = host.strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials | None:
    """A server's credentials, or None for unencrypted connections.

    With `authority` set, clients must present a certificate that it has signed. Renewed files are used from
    the next connection on.
    """
    if tls.certificate is None and tls.key is None and tls.authority is None:
        return None
    if tls.certificate is None or tls.key is None:
        raise InvalidInputError("tls: a server needs both tls.certificate and tls.key")
    files = CertificateFiles(tls)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        found = files.renewed()
        return _server_configuration(found) if found is not None else None

    return grpc.dynamic_ssl_server_credentials(
        _server_configuration(files.read()),
        renewed,
        require_client_authentication=tls.authority is not None,
    )


def _server_configuration(found: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(found.key, found.certificate)], root_certificates=found.authority
    )


def channel_files(tls: TlsSettings) -> CertificateFiles | None:
    """A client's certificate files, or None for unencrypted connections."""
    if tls.certificate is None and tls.key is None and tls.authority is None:
        return None
    if (tls.certificate is None) != (tls.key is None):
        raise InvalidInputError("tls: tls.certificate and tls.key go together")
    return CertificateFiles(tls)


def channel_credentials(found: Certificates) -> grpc.ChannelCredentials:
    """A client's credentials, with its certificate if there is one."""
    return grpc.ssl_channel_credentials(
        root_certificates=found.authority, private_key=found.key, certificate_chain=found.certificate
    )


def keep_renewed(context: ssl.SSLContext, tls: TlsSettings) -> None:
    """Makes a server of the standard library, whose `context` is from these files, use renewed ones."""
    files, current = CertificateFiles(tls), context

    def renew(socket: ssl.SSLObject, name: str | None, of_the_start: ssl.SSLContext) -> None:
        nonlocal current
        if files.renewed() is not None:
            current = _server_context(tls)
        socket.context = current

    # Called at the beginning of each handshake.
    context.sni_callback = renew  # type: ignore[assignment]


def _server_context(tls: TlsSettings) -> ssl.SSLContext:
    assert tls.certificate is not None and tls.key is not None and tls.authority is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=user_path(tls.authority))
    context.load_cert_chain(user_path(tls.certificate), user_path(tls.key))
    context.verify_mode = ssl.CERT_REQUIRED
    return context
