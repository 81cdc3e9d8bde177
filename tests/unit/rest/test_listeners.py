"""Listeners: addresses, TLS, and what others are told of them."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from headwater.worker.api import ConfigError, Fatal
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.config.tls import among_workers, client_context, server_context
from headwater.worker.rest.listeners import Listener, advertised_url, bind, parse_address
from headwater.worker.rest.server import RestServer

from .certificates import make


def test_addresses() -> None:
    assert parse_address("127.0.0.1:8083") == ("http", "127.0.0.1", 8083)
    assert parse_address("HTTPS://[::1]:8443") == ("https", "::1", 8443)
    assert parse_address("http://:8083") == ("http", "", 8083)
    with pytest.raises(ConfigError, match="admin"):
        parse_address("localhost", "admin.listeners")


def test_what_others_are_told() -> None:
    listeners = bind({}, ["127.0.0.1:0", "http://localhost:0"], ["127.0.0.1:0"])
    try:
        first = listeners[0]
        assert [listener.admin for listener in listeners] == [False, False, True]
        assert advertised_url({}, listeners) == f"http://127.0.0.1:{first.port}/"
        named = {"rest.advertised.host.name": "worker-1", "rest.advertised.port": "80"}
        assert advertised_url(named, listeners) == "http://worker-1:80/"
        with pytest.raises(ConfigError, match="no https listener"):
            advertised_url({"rest.advertised.listener": "https"}, listeners)
        with pytest.raises(ConfigError, match="no listener"):
            advertised_url({}, listeners[2:])
    finally:
        for listener in listeners:
            listener.close()
    everywhere = Listener("http://:0")
    everywhere.close()
    assert not everywhere.loopback
    assert advertised_url({}, [everywhere]) == f"http://{socket.getfqdn()}:{everywhere.port}/"


def test_all_or_none_are_bound() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(Fatal):
            bind({}, [f"127.0.0.1:{port}", f"127.0.0.1:{taken.getsockname()[1]}"], None)
        Listener(f"127.0.0.1:{port}").close()


def test_https_beside_http(worker: Standalone, tmp_path: Path) -> None:
    own, client = make(tmp_path, "worker", "s3cret"), make(tmp_path, "client")
    settings = {
        "listeners.https.ssl.keystore.type": "PEM",
        "listeners.https.ssl.keystore.location": str(own.both),
        "listeners.https.ssl.key.password": own.password,
        "listeners.https.ssl.truststore.location": str(client.trusted),
        "listeners.https.ssl.client.auth": "required",
        "ssl.keystore.location": "/not/looked/at",
    }
    listeners = bind(settings, ["https://127.0.0.1:0", "http://127.0.0.1:0"], None)
    assert advertised_url(settings, listeners) == f"{listeners[1].url}/"
    server = RestServer(worker, listeners)
    server.start()
    try:
        assert httpx.get(f"{listeners[1].url}/").status_code == 200
        trusting = ssl.create_default_context(cafile=str(own.trusted))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{listeners[0].url}/", verify=trusting)
        trusting.load_cert_chain(client.both)
        assert httpx.get(f"{listeners[0].url}/", verify=trusting).status_code == 200
    finally:
        server.stop()


def test_keys_as_text(tmp_path: Path) -> None:
    own = make(tmp_path, "worker")
    key, begin, chain = own.both.read_text().partition("-----BEGIN CERTIFICATE")
    settings = {
        "ssl.keystore.key": key,
        "ssl.keystore.certificate.chain": begin + chain,
        "ssl.truststore.certificates": own.trusted.read_text(),
        "ssl.client.auth": "requested",
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.endpoint.identification.algorithm": "",
    }
    server, client = server_context(settings), client_context(settings)
    assert server.verify_mode is ssl.CERT_OPTIONAL and server.minimum_version is ssl.TLSVersion.TLSv1_3
    assert client.verify_mode is ssl.CERT_REQUIRED and not client.check_hostname
    assert client_context({}).check_hostname
    assert among_workers({"listeners": "http://:1", **settings}) is None
    assert among_workers({"listeners": "http://:1, HTTPS://:2", **settings}) is not None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "ssl.keystore.location: required for an https listener"),
        ({"ssl.keystore.location": "/nowhere"}, "cannot read /nowhere"),
        ({"ssl.keystore.location": "{jks}", "ssl.keystore.type": "JKS"}, "is no PEM file (JKS?)"),
        ({"ssl.keystore.location": "{pem}"}, "holds no key and certificates of use"),
        ({"ssl.keystore.location": "{pem}", "ssl.key.password": "wr0ng-one"}, "holds no key and certificates"),
        ({"ssl.keystore.location": "{plain}", "ssl.client.auth": "maybe"}, "not 'maybe'"),
        ({"ssl.keystore.location": "{plain}", "ssl.enabled.protocols": "SSLv3"}, "neither TLSv1.2 nor TLSv1.3"),
        ({"ssl.keystore.location": "{plain}", "ssl.cipher.suites": "ROT13"}, "no cipher that is known"),
    ],
)
def test_what_is_wrong_with_keys(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "store.jks").write_bytes(b"\xfe\xed\xfe\xed\x00\x00")
    paths = {
        "jks": str(tmp_path / "store.jks"),
        "pem": str(make(tmp_path, "locked", "s3cret").both),
        "plain": str(make(tmp_path, "plain").both),
    }
    with pytest.raises(ConfigError) as caught:
        server_context({name: text.format_map(paths) for name, text in settings.items()})
    assert said in str(caught.value.problems[0]) and "wr0ng-one" not in str(caught.value)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_listener_that_others_reach_warns(
    worker: Standalone, tmp_path: Path, caplog: pytest.LogCaptureFixture, guarded: bool
) -> None:
    (tmp_path / "users").write_text("ann=secret\n")
    listener, before = Listener("0.0.0.0:0"), worker.settings
    worker.settings = {**before, "rest.basic.auth.users.file": str(tmp_path / "users")} if guarded else before
    try:
        server = RestServer(worker, listener)
        with caplog.at_level(logging.WARNING):
            server.start()
        server.stop()
    finally:
        worker.settings = before
    assert ("without TLS" if guarded else "without sign-in") in caplog.text
