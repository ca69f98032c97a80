"""Serves a run's report over HTTP: its page and its data files, and nothing else."""

from __future__ import annotations

import re
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import AddressInUseError
from run_folder.folder import RunFolder

OTHER = "with"
"""Folder in URLs that has the data of a second run."""
_DATA = re.compile(r"/(?P<folder>[a-z]+)/(?P<name>(?:run|index-\d{1,9}|episodes-\d{1,9})\.js)", re.ASCII)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # The data are scripts, which any other site could load and read without this.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class LiveReport:
    """A server in threads of its own, until `close`."""

    def __init__(self, root: Path, other: Path | None, host: str, port: int, names: frozenset[str]) -> None:
        """Starts to serve.

        Args:
            root: Folder of the run.
            other: Folder of a second run.
            host: Host to listen on.
            port: Port; 0 means a free one.
            names: Host names that requests may use; empty for any. Without this, a site whose name leads to
                this machine (DNS rebinding) could read the run.

        Raises:
            AddressInUseError: the port is in use, or the address is not of this machine.
        """
        folders = {RunFolder(root).report_data.name: RunFolder(root).report_data}
        if other is not None:
            folders[OTHER] = RunFolder(other).report_data
        site = _Site(RunFolder(root).report, folders, names)
        server_class = _Server6 if ":" in host else ThreadingHTTPServer
        try:
            self._server = server_class((host.strip("[]"), port), site.handler())
        except OSError as error:
            raise AddressInUseError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self.url = f"http://{host}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Site:
    """What may be asked for, and by whom."""

    def __init__(self, page: Path, folders: dict[str, Path], names: frozenset[str]) -> None:
        self._page, self._folders, self._names = page, folders, names

    def file(self, target: str) -> Path | None:
        """The file that a request means; paths are compared with patterns, and never opened as they are."""
        path = urlsplit(target).path
        if path in ("/", f"/{self._page.name}"):
            return self._page
        match = _DATA.fullmatch(path)
        folder = self._folders.get(match["folder"]) if match else None
        return folder / match["name"] if match and folder else None

    def allows(self, host: str | None, fetch_site: str | None) -> bool:
        """Whether a request with these headers, `Host` and `Sec-Fetch-Site`, is answered."""
        name = urlsplit(f"//{host or ''}").hostname
        known = not self._names or name in self._names
        return known and fetch_site in (None, "none", "same-origin")

    def handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    status, kind, content = site.answer(self)
                except ValueError:  # urllib's, about a malformed target or host
                    status, kind, content = HTTPStatus.BAD_REQUEST, "text/plain", b"bad request\n"
                self.send_response(status)
                for name, value in {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are not logged: a page asks every few seconds."""

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> tuple[HTTPStatus, str, bytes]:
        """Status, media type and content for a request."""
        headers = request.headers
        if not self.allows(headers.get("Host"), headers.get("Sec-Fetch-Site")):
            return HTTPStatus.FORBIDDEN, "text/plain", b"this page is served to this machine only\n"
        path = self.file(request.path)
        try:
            content = None if path is None else path.read_bytes()
        except OSError:
            content = None
        if path is None or content is None:
            return HTTPStatus.NOT_FOUND, "text/plain", b"not found\n"
        return HTTPStatus.OK, "text/html" if path.suffix == ".html" else "text/javascript", content
