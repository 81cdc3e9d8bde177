"""OpenSearch 2, by the client `opensearch-py`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from headwater.worker.api import Fatal, Values

from .contract import JSON, LINES, Busy, no_tls, refused
from .options import shown, with_scheme

try:
    import opensearchpy
except ImportError as error:
    raise Fatal("A view in OpenSearch needs its client: pip install 'headwater[opensearch]'") from error


logging.getLogger("opensearch").setLevel(logging.ERROR)  # a line for each request otherwise


class OpenSearchClient:
    """`connections`: requests at one time, at most."""

    def __init__(self, values: Values, connections: int) -> None:
        self._where = shown(values)
        self._urls = [with_scheme(url) for url in values["connection.url"]]
        options: dict[str, Any] = {}
        if any(url.startswith("https:") for url in self._urls):
            verify = values["elastic.https.verify"]
            options = {
                "use_ssl": True, "verify_certs": verify, "ssl_show_warn": False,
                "ssl_assert_hostname": None if verify else False,
                "ca_certs": values["elastic.https.ca.file"] or None,
                "client_cert": values["elastic.https.certificate.file"] or None,
                "client_key": values["elastic.https.key.file"] or None,
            }  # fmt: skip
        if values["connection.username"]:
            options["http_auth"] = (values["connection.username"], values["connection.password"])
        self._client = opensearchpy.OpenSearch(
            self._urls,
            http_compress=values["connection.compression"],
            pool_maxsize=connections,
            timeout=values["read.timeout.ms"] / 1000,
            max_retries=0,
            retry_on_timeout=False,
            **options,
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        lines: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        where = f"{method} {path.partition('?')[0][:200]}"
        headers = {"content-type": LINES if lines else JSON} if body is not None else {}
        asked: dict[str, Any] = dict(params or {})
        if timeout_s is not None:
            asked["request_timeout"] = timeout_s
        try:
            return self._client.transport.perform_request(method, path, headers=headers, params=asked, body=body)
        except opensearchpy.exceptions.SSLError as error:
            raise no_tls(str(error.error), where, self._where) from error
        except opensearchpy.exceptions.ConnectionError as error:
            raise Busy(f"{where}: {type(error).__name__} at {self._where}: {error.error}") from error
        except opensearchpy.exceptions.TransportError as error:
            raise refused(int(error.status_code), error.info, where) from error
        except opensearchpy.exceptions.OpenSearchException as error:
            raise Busy(f"{where}: {type(error).__name__} at {self._where}: {error}") from error

    def close(self) -> None:
        self._client.close()
