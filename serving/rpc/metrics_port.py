"""The port that Prometheus reads: plain on loopback, else with certificates like the calls."""

from __future__ import annotations

import ssl
import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from configuration.servers import TlsSettings
from core.errors import AddressInUseError
from core.paths import user_path
from serving.rpc.tls import is_loopback, keep_renewed


class MetricsPort:
    """Answers with what `registry` has counted, until `stop`."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, tls: TlsSettings) -> None:
        """Port 0 means a free one; off loopback, callers need a certificate where `tls` has an authority.

        Raises:
            AddressInUseError: the port is in use, or the address is not of this machine.
        """
        try:
            if is_loopback(host) or tls.authority is None:
                self._server, self._thread = start_http_server(port, addr=host, registry=registry)
            else:
                self._server, self._thread = _start_https_server(host, port, registry, tls)
        except OSError as error:
            raise AddressInUseError(
                f"cannot listen on metrics_port = {port}: {error.strerror}; 0 chooses a free port, and none "
                "turns it off"
            ) from error
        self.port = self._server.server_port

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _start_https_server(
    host: str, port: int, registry: CollectorRegistry, tls: TlsSettings
) -> tuple[WSGIServer, threading.Thread]:
    assert tls.certificate is not None and tls.key is not None and tls.authority is not None
    server, thread = start_http_server(
        port,
        host,
        registry,
        certfile=str(user_path(tls.certificate)),
        keyfile=str(user_path(tls.key)),
        client_cafile=str(user_path(tls.authority)),
        client_auth_required=True,
    )
    assert isinstance(server.socket, ssl.SSLSocket)
    keep_renewed(server.socket.context, tls)
    return server, thread
