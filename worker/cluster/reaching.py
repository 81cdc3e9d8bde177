"""Connections to other workers of the cluster: an address where nobody is is given up soon, an answer may take long."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from typing import Final

__all__ = ["CONNECT_S", "HttpHandler", "HttpsHandler", "PlainConnection", "TlsConnection"]

CONNECT_S: Final = 10.0


class PlainConnection(http.client.HTTPConnection):
    """`timeout` counts for the answer, `connect_s` until the other worker has taken the connection."""

    connect_s = CONNECT_S

    def connect(self) -> None:
        answer_s, self.timeout = self.timeout, self.connect_s
        try:
            super().connect()
        finally:
            self.timeout = answer_s
        self.sock.settimeout(answer_s)


class TlsConnection(PlainConnection, http.client.HTTPSConnection):
    """The same, TLS's handshake included in `connect_s`."""


class HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(PlainConnection, req)


class HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(context=tls)
        self._tls = tls

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(TlsConnection, req, context=self._tls)
