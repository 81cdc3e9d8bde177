"""How to reach and to trust the cluster.

Source: ElasticsearchSinkConnectorConfig of Confluent's kafka-connect-elasticsearch 15, whose names these are where it
has them. Certificates are PEM files here, not Java's key stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from headwater.worker.api import Option, Options, OptionType, Problem, Unsupported, Values, at_least

ELASTICSEARCH: Final = "elasticsearch"
OPENSEARCH: Final = "opensearch"
_TLS: Final = "elastic.https.ssl."


def _urls(value: Any) -> str | None:
    for item in value:
        if not _is_url(with_scheme(item)):
            secret = any("@" in one for one in value)  # a password, and a comma in it makes items of its parts
            return f"{'an item' if secret else repr(item)} is no URL such as https://search.example:9200"
    return None if value else "names no server"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or a bracket is open
        return False


def with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def shown(values: Values) -> str:
    """The servers, for messages: without user and password."""
    parts = [urlsplit(with_scheme(url)) for url in values["connection.url"]]
    return ", ".join(f"{part.scheme}://{part.netloc.rpartition('@')[2]}" for part in parts)


_PEM: Final = "certificates are PEM files here: set {}"

CONNECTION_OPTIONS: Final = Options(
    Option("connection.url", OptionType.LIST, doc="https://host:port, several with commas. User and password belong in "
           "options of their own.", validate=_urls, importance="high", group="connection"),
    Option("distribution", default=ELASTICSEARCH, choices=(ELASTICSEARCH, OPENSEARCH), importance="high",
           doc="Which server it is: each is spoken to by its own client.", group="connection"),
    Option("connection.username", default="", doc="User, for basic authentication.", importance="high",
           group="connection"),
    Option("connection.password", OptionType.PASSWORD, "", "Password of the user.", importance="high",
           group="connection"),
    Option("connection.api.key", OptionType.PASSWORD, "", "An API key instead of a user, as Elasticsearch shows it in "
           "`encoded`.", importance="high", group="connection"),
    Option("elastic.https.ca.file", default="", importance="high", group="connection",
           doc="PEM file with the certificate authority of the server's certificate; by default the well-known ones."),
    Option("elastic.https.verify", OptionType.BOOLEAN, True, "Check the server's certificate and name. false lets "
           "anybody in between read along: for trials.", group="connection"),
    Option("elastic.https.certificate.file", default="", doc="PEM file with this client's certificate, where the "
           "server asks for one.", group="connection", importance="low"),
    Option("elastic.https.key.file", default="", doc="PEM file with the certificate's key, without a password.",
           group="connection", importance="low"),
    Option("connection.compression", OptionType.BOOLEAN, False, "Compress requests.", group="connection"),
    Option("read.timeout.ms", OptionType.INT, 60_000, "How long the server may take for a connection, and for an "
           "answer. (Confluent's default is 3000.)", validate=at_least(1), group="connection"),
    Unsupported("elastic.security.protocol", "https in connection.url says the same", harmless=("plaintext", "ssl")),
    Unsupported(_TLS + "truststore.location", _PEM.format("elastic.https.ca.file")),
    Unsupported(_TLS + "truststore.password", _PEM.format("elastic.https.ca.file")),
    Unsupported(_TLS + "truststore.type", _PEM.format("elastic.https.ca.file"), harmless=("jks", "pkcs12", "pem")),
    Unsupported(_TLS + "keystore.location", _PEM.format("elastic.https.certificate.file")),
    Unsupported(_TLS + "keystore.password", _PEM.format("elastic.https.certificate.file")),
    Unsupported(_TLS + "keystore.type", _PEM.format("elastic.https.certificate.file"),
                harmless=("jks", "pkcs12", "pem")),
    Unsupported(_TLS + "key.password", _PEM.format("elastic.https.key.file, a key without a password")),
    Unsupported(_TLS + "endpoint.identification.algorithm", "set elastic.https.verify", harmless=("https",)),
    Unsupported(r"elastic\.https\..+", "set elastic.https.ca.file, .certificate.file, .key.file or .verify",
                pattern=True),
    Unsupported(r"proxy\.(host|port|username|password)", "connections through a proxy are not made; put the worker "
                "where it reaches the cluster", pattern=True),
    Unsupported(r"kerberos\..+", "use connection.username or connection.api.key", pattern=True),
    Unsupported("connection.timeout.ms", "read.timeout.ms counts for the connection as well", harmless=("1000",)),
    Unsupported("max.connection.idle.time.ms", "an idle connection that was dropped is made again at once; remove the "
                "option", harmless=("60000",)),
)  # fmt: skip


def connection_problems(values: Values) -> Iterator[Problem]:
    """Options that could not be parsed are not in `values`."""
    urls = [urlsplit(with_scheme(url)) for url in values.get("connection.url") or ()]
    if any(url.password for url in urls):
        yield Problem("connection.url", "holds a password", "put it in connection.password")
    if len({url.scheme for url in urls}) > 1:
        yield Problem("connection.url", "mixes http and https", "use https for all")
    user, password, key = (values.get(f"connection.{name}") for name in ("username", "password", "api.key"))
    if bool(user) != bool(password):
        yield Problem("connection.password" if user else "connection.username", "user and password belong together")
    if key and user:
        yield Problem("connection.api.key", "cannot be used together with connection.username")
    if key and values.get("distribution") == OPENSEARCH:
        yield Problem("connection.api.key", "OpenSearch has none", "use connection.username and connection.password")
    if bool(values.get("elastic.https.certificate.file")) != bool(values.get("elastic.https.key.file")):
        yield Problem("elastic.https.key.file", "certificate and key belong together")
    for name in ("ca", "certificate", "key"):
        path = values.get(f"elastic.https.{name}.file")
        if path and not Path(path).is_file():
            yield Problem(f"elastic.https.{name}.file", f"there is no file {path}")
