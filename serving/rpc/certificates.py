"""Certificates in files, which are read again when they are renewed and checked for their expiry."""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from configuration.servers import TlsSettings
from core.errors import InvalidInputError, NotFoundError
from core.paths import user_path

_log = logging.getLogger(__name__)

_DAY = 24 * 3600
WARNING_SECONDS = 14 * _DAY
"""Time before a certificate's expiry from which warnings are logged."""


@dataclass(frozen=True)
class Certificates:
    """The contents of a process's PEM files."""

    certificate: bytes | None
    key: bytes | None
    authority: bytes | None


class CertificateFiles:
    """The files that a `tls` section names."""

    def __init__(self, tls: TlsSettings) -> None:
        self._certificate, self._key, self._authority = tls.certificate, tls.key, tls.authority
        self._stamps = self._stamps_now()

    def read(self) -> Certificates:
        """Reads the files.

        Raises:
            NotFoundError: a file cannot be read.
            InvalidInputError: certificate and key do not belong together, the certificate has expired, the
                authority is none, or a file was changed meanwhile.
        """
        found = self._contents()
        if self._certificate is not None and self._key is not None:
            _check_pair(user_path(self._certificate), user_path(self._key))
        if found.authority is not None:
            _check_authority(found.authority)
        self.check_expiry()
        # The checks read the files again. gRPC would end the process if it were given an empty certificate.
        if self._contents() != found:
            raise InvalidInputError("tls: the files were changed while they were read")
        return found

    def _contents(self) -> Certificates:
        return Certificates(
            _read(self._certificate, "tls.certificate"),
            _read(self._key, "tls.key"),
            _read(self._authority, "tls.authority"),
        )

    def renewed(self) -> Certificates | None:
        """The contents of the files if they have changed since the last call, else None.

        Files that do not belong together, as in the middle of a renewal, are ignored until the next call.
        """
        stamps = self._stamps_now()
        if stamps == self._stamps:
            return None
        try:
            found = self.read()
        except (InvalidInputError, NotFoundError) as error:
            _log.error("renewed certificates are not taken: %s", error)
            return None
        self._stamps = stamps
        _log.info("renewed certificates are taken from now on")
        return found

    def check_expiry(self, now: float | None = None) -> None:
        """Logs a warning if the certificate expires within 14 days; `now` is in seconds since 1970.

        Raises:
            InvalidInputError: it has expired.
        """
        if self._certificate is None:
            return
        path = user_path(self._certificate)
        end = expiry(path)
        left, day = end - (time.time() if now is None else now), datetime.fromtimestamp(end, UTC).date()
        if left <= 0:
            raise InvalidInputError(f"tls.certificate: {path} expired on {day}")
        if left < WARNING_SECONDS:
            _log.warning("tls.certificate: %s expires on %s, in %d days", path, day, left // _DAY)

    def _stamps_now(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in (self._certificate, self._key, self._authority)]


def expiry(certificate: Path) -> float:
    """The expiry of the first certificate in a PEM file, in seconds since 1970.

    Raises:
        InvalidInputError: the file does not hold a certificate.
    """
    try:
        # The only function of the standard library that reads certificates other than those of authorities.
        fields = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    except (ssl.SSLError, OSError, ValueError) as error:
        raise InvalidInputError(f"tls.certificate: {certificate} holds no certificate: {error}") from error
    return ssl.cert_time_to_seconds(fields["notAfter"])


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(f"tls: {certificate} and {key} are not a certificate and its key") from error


def _check_authority(pem: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(f"tls.authority: it holds no certificate: {error}") from error


def _read(path: Path | None, name: str) -> bytes | None:
    if path is None:
        return None
    try:
        return user_path(path).read_bytes()
    except OSError as error:
        raise NotFoundError(f"{name}: {user_path(path)} cannot be read: {error.strerror}") from error


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = user_path(path).stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else None
