"""A registry that answers with anything: what says nothing about a schema is waited for and is no record's fault."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from headwater.worker.api import DataError, Fatal, Type, Unavailable, primitive, struct
from headwater.worker.convert.json_schema import JsonSchemaConverter
from tests.converters import configured

ORDER = struct({"id": primitive(Type.INT32)}, name="shop.Order")
MESSAGE = b"\0\0\0\0\7{}"
SECRET = "hush-hush"


class Liar:
    """`status` and `body` of every answer; `half`: it breaks off before the end of one. `versions`: the answer to which
    versions an id has. `asked`: how often it was."""

    def __init__(self) -> None:
        self.status, self.body, self.half, self.url = 200, b"{}", False, ""
        self.versions: bytes | None = None
        self.asked = 0


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            liar.asked += 1
            body = liar.body if liar.versions is None or not self.path.endswith("/versions") else liar.versions
            self.send_response(liar.status)
            self.send_header("Content-Length", str(len(body) + (10 if liar.half else 0)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    liar.url = f"http://shop:{SECRET}@127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield liar
    server.shutdown()
    server.server_close()
    thread.join()


def failures(liar: Liar) -> list[Exception]:
    """Of writing and of reading."""
    converter = configured(JsonSchemaConverter, liar.url)
    found: list[Exception] = []
    for attempt in (
        lambda: converter.encoder("orders", ORDER)({"id": 1}),
        lambda: converter.decode("orders", MESSAGE),
    ):
        with pytest.raises((DataError, Unavailable, Fatal)) as caught:
            attempt()
        assert SECRET not in str(caught.value)
        found.append(caught.value)
    return found


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>hello</html>", "is no JSON"),
        (200, b"{}", "something else than was asked for"),
        (200, b"[]", "something else than was asked for"),
        (200, b'{"id": null, "schema": 5}', "something else than was asked for"),
        (200, b'{"id": 99999999999, "schema": null}', "something else than was asked for"),
        (302, b"moved", "status 302"),
        (404, b"<html>default backend</html>", "status 404"),
        (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}', "status 404, error 404"),
        (400, b"<html>bad request</html>", "status 400"),
        (422, b'{"error_code": 42205, "message": "is in read-only mode"}', "error 42205"),
        (429, b"slow down", "status 429"),
        (500, b'{"error_code": 50001, "message": "store"}', "status 500, store"),
    ],
)
def test_what_is_about_no_schema_is_waited_for(liar: Liar, status: int, body: bytes, said: str) -> None:
    liar.status, liar.body = status, body
    for error in failures(liar):
        assert isinstance(error, Unavailable) and said in str(error)


def test_half_an_answer_is_waited_for(liar: Liar) -> None:
    liar.body, liar.half = b'{"id": 1, "schema": "{}', True
    assert all(isinstance(error, Unavailable) for error in failures(liar))


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused_fail_the_task(liar: Liar, status: int) -> None:
    liar.status = status
    assert all(isinstance(error, Fatal) for error in failures(liar))


@pytest.mark.parametrize("secret", [f"a\n{SECRET}", f"\u20ac{SECRET}"])
@pytest.mark.parametrize("name", ["bearer.auth.token", "request.header.X-Key"])
def test_what_http_does_not_allow_fails_the_task(liar: Liar, name: str, secret: str) -> None:
    options = {"bearer.auth.credentials.source": "STATIC_TOKEN"} if name == "bearer.auth.token" else {}
    converter = configured(JsonSchemaConverter, liar.url, **options, **{name: secret})
    with pytest.raises(Fatal, match="cannot be called") as caught:
        converter.decode("orders", MESSAGE)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None


def test_a_token_may_end_in_a_line_end(liar: Liar) -> None:
    options = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": f"{SECRET}\n"}
    liar.status = 401
    with pytest.raises(Fatal, match="refuses these credentials"):
        configured(JsonSchemaConverter, liar.url, **options).decode("orders", MESSAGE)


def test_what_is_about_the_schema_fails_the_record(liar: Liar) -> None:
    liar.status, liar.body = 422, b'{"error_code": 42201, "message": "Invalid schema"}'
    written, read = failures(liar)
    assert isinstance(written, DataError) and isinstance(read, DataError)
    assert "under subject 'orders-value'" in str(written) and "Invalid schema" in str(written)
    for liar.status in (413, 414):
        liar.body = b"<html>too large</html>"
        assert all(isinstance(error, DataError) and "too large" in str(error) for error in failures(liar))
    liar.status, liar.body = 409, b'{"error_code": 409, "message": "Schema being registered is incompatible"}'
    written, _ = failures(liar)
    assert isinstance(written, DataError) and "The way out: make the change compatible" in str(written)


@pytest.mark.parametrize("latest", [None, '{"type": "string"}'])
def test_a_latest_schema_that_is_of_no_use_is_not_asked_for_with_each_record(
    liar: Liar, monkeypatch: pytest.MonkeyPatch, latest: str | None
) -> None:
    monkeypatch.setattr("headwater.worker.convert.registered.REFUSAL_KEPT_S", 3600)
    liar.status, liar.body = 404, b'{"error_code": 40401, "message": "Subject not found"}'
    if latest is not None:
        answer = {"id": 7, "version": 1, "schemaType": "JSON", "schema": latest}
        liar.status, liar.body = 200, json.dumps(answer).encode()
    options = {"auto.register.schemas": "false", "use.latest.version": "true"}
    encode = configured(JsonSchemaConverter, liar.url, **options).encoder("orders", ORDER)
    said = set()
    for _ in range(5):
        with pytest.raises(DataError) as caught:
            encode({"id": 1})
        said.add(str(caught.value))
    assert (liar.asked, len(said)) == (1, 1)


def test_schemas_that_refer_to_themselves_end(liar: Liar) -> None:
    reference = {"name": "a", "subject": "a", "version": 1}
    liar.body = json.dumps({"schemaType": "JSON", "schema": "{}", "references": [reference]}).encode()
    with pytest.raises(DataError, match="refer to each other without end"):
        configured(JsonSchemaConverter, liar.url).decode("orders", MESSAGE)


@pytest.mark.parametrize(
    "schema", ["nonsense", "5", '{"type": "object", "properties": 5}', '{"oneOf": 5}', '{"$ref": 5}', "deep"]
)
def test_schemas_that_are_none_are_named(liar: Liar, schema: str) -> None:
    if schema == "deep":
        schema = '{"type": "object", "properties": {"a": ' * 300 + '{"type": "integer"}' + "}}" * 300
    liar.body, liar.versions = json.dumps({"schemaType": "JSON", "schema": schema}).encode(), b"[]"
    with pytest.raises(DataError, match="the schema with id 7 is"):
        configured(JsonSchemaConverter, liar.url).decode("orders", MESSAGE)
