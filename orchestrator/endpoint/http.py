"""The endpoint's HTTP server: routes, limits, and errors in OpenAI's form.

It is the standard library's server with a thread for each connection; the calls run in an event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from core.errors import AddressInUseError
from orchestrator.endpoint.api import Api
from orchestrator.endpoint.protocol import ApiError

_log = logging.getLogger(__name__)

MOST_BYTES = 4 * 2**20
"""Largest body of a request; that of a whole episode is far shorter."""
MOST_CONNECTIONS = 256
"""Largest number of open connections; further ones are closed at once."""
IDLE_SECONDS = 60.0
"""Seconds in which a client must send the next part of a request before its connection is closed."""

_CHAT, _MODELS = "/v1/chat/completions", "/v1/models"


class Endpoint:
    """Serves `api` on one port, from `start` to `stop`."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop, most_bytes: int = MOST_BYTES) -> None:
        """`loop` runs the calls; it must not be blocked."""
        self.api = api
        self.most_bytes = most_bytes
        self._loop = loop
        self._server: _Server | None = None
        self.address: str | None = None
        """Address `host:port`, once it serves."""

    def start(self, host: str, port: int) -> str:
        """Binds the port, 0 being a free one, and serves; returns the address as `host:port`.

        Raises:
            AddressInUseError: the port is in use, or the address is not of this machine.
        """
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            raise AddressInUseError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        threading.Thread(target=self._server.serve_forever, name="endpoint", daemon=True).start()
        self.address = f"{f'[{host}]' if ':' in host else host}:{self._server.server_port}"
        return self.address

    def stop(self) -> None:
        """Accepts no further connections. Called from another thread than the loop's, as it blocks."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def result(self, call: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        """The result of a call, which runs in the loop; called from a connection's thread."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Threads that wait for a client must not hold up the end of the process.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a connection has failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "hiper"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._respond(self._got)

    def do_POST(self) -> None:
        self._respond(self._posted)

    def _got(self) -> dict[str, Any]:
        api, path = self.server.endpoint.api, self._path
        if path == "/health":
            return {"status": "ok"}
        if path == _MODELS:
            return api.models()
        if path.startswith(f"{_MODELS}/"):
            return api.model(unquote(path.removeprefix(f"{_MODELS}/")))
        raise self._wrong_path()

    def _posted(self) -> dict[str, Any]:
        if self._path != _CHAT:
            raise self._wrong_path()
        endpoint = self.server.endpoint
        return endpoint.result(endpoint.api.chat(self._body()))

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0].rstrip("/")

    def _wrong_path(self) -> ApiError:
        if self._path in (_CHAT, _MODELS):
            return ApiError(405, f"{self.command} {self._path}: another method is needed")
        offered = f"POST {_CHAT}, GET {_MODELS} and GET /health are offered"
        return ApiError(404, f"there is no {self.command} {self._path:.80}; {offered}", code="unknown_url")

    def _body(self) -> bytes:
        # A page in a browser could send any other type to a server of its machine without being asked.
        if self.headers.get_content_type() != "application/json":
            raise ApiError(415, "Content-Type: application/json is needed")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise ApiError(411, "Content-Length is needed: the number of bytes of the body")
        most = self.server.endpoint.most_bytes
        if len(length) > 12 or int(length) > most:
            raise ApiError(413, f"the body has {length:.12} bytes; at most {most} are accepted")
        self._read = True
        return self.rfile.read(int(length))

    def _respond(self, work: Callable[[], dict[str, Any]]) -> None:
        """Answers with what `work` returns, or with its error."""
        self._read = "Content-Length" not in self.headers and "Transfer-Encoding" not in self.headers
        try:
            status, content = 200, work()
        except ApiError as error:
            status, content = error.status, error.body
        except CancelledError:
            status, content = (
                503,
                ApiError(503, "the call was ended: the servers are being stopped or started again").body,
            )
        except TimeoutError:
            # While the body was read: the connection is closed.
            raise
        except Exception:
            _log.exception("a call has failed")
            status, content = 500, ApiError(500, "the endpoint has failed; its log says how").body
        self._send(status, content)

    def _send(self, status: int, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if not self._read:
            # What is left of the body would be read as the next request.
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The standard library's own refusals, of methods and malformed requests, in OpenAI's form."""
        self._read = False
        status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else code
        self._send(status, ApiError(status, message or HTTPStatus(code).phrase).body)

    def log_message(self, format: str, *arguments: Any) -> None:
        _log.debug(format, *arguments)
