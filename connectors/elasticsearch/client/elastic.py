"""Elasticsearch 8, by the client `elasticsearch`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from headwater.worker.api import Fatal, Values

from .contract import JSON, LINES, Busy, no_tls, refused
from .options import shown, with_scheme

try:
    import elastic_transport
    import elasticsearch
except ImportError as error:
    raise Fatal("A view in Elasticsearch needs its client: pip install 'headwater[elasticsearch]'") from error


warnings.filterwarnings("ignore", category=elasticsearch.ElasticsearchWarning)  # e.g. that there is no TLS
logging.getLogger("elastic_transport").setLevel(logging.ERROR)  # a line for each request otherwise


class ElasticClient:
    """`connections`: requests at one time, at most."""

    def __init__(self, values: Values, connections: int) -> None:
        self._where = shown(values)
        self._urls = [_with_port(with_scheme(url)) for url in values["connection.url"]]
        options: dict[str, Any] = {}
        if any(url.startswith("https:") for url in self._urls):
            options = {"verify_certs": values["elastic.https.verify"], "ssl_show_warn": False}
            if values["elastic.https.ca.file"] and values["elastic.https.verify"]:
                options["ca_certs"] = values["elastic.https.ca.file"]
            if values["elastic.https.certificate.file"]:
                options |= {
                    "client_cert": values["elastic.https.certificate.file"],
                    "client_key": values["elastic.https.key.file"],
                }
        if values["connection.api.key"]:
            options["api_key"] = values["connection.api.key"]
        elif values["connection.username"]:
            options["basic_auth"] = (values["connection.username"], values["connection.password"])
        self._timeout_s = values["read.timeout.ms"] / 1000
        self._client = elasticsearch.Elasticsearch(
            self._urls,
            http_compress=values["connection.compression"],
            connections_per_node=connections,
            request_timeout=self._timeout_s,
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
        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = LINES if lines else JSON
        client = self._client if timeout_s is None else self._client.options(request_timeout=timeout_s)
        try:
            answer = client.perform_request(method, path, params=dict(params or {}), headers=headers, body=body)
        except elasticsearch.UnsupportedProductError as error:
            raise Fatal(
                f"{self._where} is not Elasticsearch. Nothing was written. If it is OpenSearch, set distribution: "
                "opensearch"
            ) from error
        except elasticsearch.ApiError as error:
            raise refused(error.meta.status, error.body, where) from error
        except elastic_transport.TlsError as error:
            raise no_tls(error.message, where, self._where) from error
        except elastic_transport.TransportError as error:
            raise Busy(f"{where}: {type(error).__name__} at {self._where}: {error.message}") from error
        return answer.body

    def close(self) -> None:
        self._client.close()


def _with_port(url: str) -> str:
    """The client wants one in each URL."""
    parts = urlsplit(url)
    if parts.port is not None:
        return url
    return parts._replace(netloc=f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}").geturl()
