"""Certificates for tests, made with the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from configuration.servers import TlsSettings

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DATABASE = """
[ca]
default_ca = ours
[ours]
database = index.txt
new_certs_dir = .
default_md = sha256
policy = any
rand_serial = yes
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority, and certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._openssl(
            "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "90"
        )

    def signed(
        self,
        name: str,
        *roles: str,
        days: int = 60,
        valid: tuple[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> TlsSettings:
        """Files of a new certificate for an address; those that had the name are replaced.

        `valid` are the first and the last moment as `20401231235959Z`, in place of `days` from now.
        """
        names = ", ".join([f"IP:{address}", *(f"URI:hiper:{role}" for role in roles)])
        (self._folder / "names").write_text(f"subjectAltName={names}")
        key, request, certificate = (f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        self._openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        if valid is None:
            signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
            self._openssl("x509", "-req", "-in", request, *signing, "-days", str(days), "-out", certificate)
        else:
            self._sign(request, certificate, valid)
        return self.settings(name)

    def settings(self, name: str) -> TlsSettings:
        """Files of the certificate that was signed last under this name."""
        certificate, key = (self._folder / f"{name}.{kind}" for kind in ("pem", "key"))
        return TlsSettings(certificate=certificate, key=key, authority=self.certificate)

    def _sign(self, request: str, certificate: str, valid: tuple[str, str]) -> None:
        # Of openssl's commands only `ca` takes a first moment, and it needs a database.
        (self._folder / "ca.cnf").write_text(_DATABASE)
        (self._folder / "index.txt").write_text("")
        signing = ("-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
        moments = ("-startdate", valid[0], "-enddate", valid[1])
        names = ("-extfile", "names", "-notext")
        self._openssl("ca", *signing, *moments, *names, "-in", request, "-out", certificate)

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)
