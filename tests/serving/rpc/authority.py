"""Certificates for tests, made with the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from configuration.servers import TlsSettings

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A certificate authority, and certificates for 127.0.0.1 that it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._openssl(
            "req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "90"
        )

    def signed(self, name: str, *roles: str, days: int = 60) -> TlsSettings:
        """Files of a new certificate; those that had the name are replaced."""
        names = ", ".join(["IP:127.0.0.1", *(f"URI:hiper:{role}" for role in roles)])
        (self._folder / "names").write_text(f"subjectAltName={names}")
        key, request, certificate = (f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        self._openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        self._openssl("x509", "-req", "-in", request, *signing, "-days", str(days), "-out", certificate)
        return TlsSettings(
            certificate=self._folder / certificate, key=self._folder / key, authority=self.certificate
        )

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)
