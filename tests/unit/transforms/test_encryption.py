"""EncryptFields and DecryptFields over a table of keys in SQLite."""

from __future__ import annotations

import base64
import logging
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.connectors.debezium.names import JSON
from headwater.connectors.debezium.side_schemas import HEARTBEAT_VALUE_SCHEMA, TRANSACTION_VALUE_SCHEMA
from headwater.transforms.decrypt_fields import DecryptFields
from headwater.transforms.encrypt_fields import EncryptFields
from headwater.transforms.field_cipher import decrypted, encrypted
from headwater.transforms.subject_keys import SubjectKey
from headwater.worker.api import (
    DataError,
    Fatal,
    Record,
    Retriable,
    Transform,
    Type,
    Unavailable,
    decimal,
    primitive,
    struct,
)

MASTER = base64.b64encode(b"m" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
ADDRESS = struct({"street": primitive(Type.STRING, optional=True), "zip": primitive(Type.INT32)}, optional=True)
ROW = struct(
    {
        "id": primitive(Type.INT64),
        "email": primitive(Type.STRING, doc="where to write to"),
        "balance": decimal(2, optional=True),
        "photo": primitive(Type.BYTES, optional=True),
        "address": ADDRESS,
    },
    name="shop.Value",
)
SOURCE = struct({"lsn": primitive(Type.INT64)})
EVENT = struct(
    {"before": ROW.as_optional(), "after": ROW.as_optional(), "source": SOURCE, "op": primitive(Type.STRING)},
    name="shop.Envelope",
)
FIELDS = "email,balance,photo,address.street"


class Keys:
    """The table of keys, and transforms that use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made: list[Transform] = []

    def transform(self, kind: type[Transform], **options: str) -> Any:
        given = {"keys.url": f"sqlite:///{self.path}", "master.key": MASTER, "key.cache.ms": "0"}
        given |= {"fields": FIELDS, "subject": "id"} if kind is EncryptFields else {}
        given |= {name.replace("_", "."): text for name, text in options.items()}
        made = kind()
        values, problems = made.options.parse(given)
        assert not problems, problems
        made.configure(values)
        self.made.append(made)
        return made

    def asked(self, statement: str) -> list[Any]:
        with sqlite3.connect(self.path) as db:
            return db.execute(statement).fetchall()


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path / "keys.db")
    yield made
    for transform in made.made:
        transform.close()


def row(n: int, **more: Any) -> dict[str, Any]:
    address = {"street": f"{n} Main St", "zip": 1000 + n}
    return {"id": n, "email": f"a{n}@b.de", "balance": Decimal("1.50"), "photo": b"\xff", "address": address} | more


def test_there_and_back(keys: Keys) -> None:
    record = Record("t", {"id": 1}, row(1), None, ROW, version=7)
    hidden = keys.transform(EncryptFields).apply(record)
    text = str(hidden.value)
    assert "a1@b.de" not in text and "Main" not in text and "1.50" not in text
    assert hidden.value["id"] == 1 and hidden.value["address"]["zip"] == 1001
    assert hidden.value_schema.get("balance").type is Type.STRING and hidden.value_schema.get("email").optional
    assert hidden.version == 7 and record.value == row(1)
    back = keys.transform(DecryptFields).apply(hidden)
    assert back.value == row(1)
    assert back.value_schema.get("balance") == ROW.get("balance")
    assert back.value_schema.get("email") == primitive(Type.STRING, optional=True, doc="where to write to")


def test_change_events(keys: Keys) -> None:
    event = {"before": row(1), "after": row(1, email="new"), "source": {"lsn": 5}, "op": "u"}
    encrypt, decrypt = keys.transform(EncryptFields), keys.transform(DecryptFields)
    hidden = encrypt.apply(Record("t", None, event, None, EVENT))
    before, after = hidden.value["before"], hidden.value["after"]
    assert before["email"] != after["email"] and before["photo"] == after["photo"] != b"\xff"
    assert decrypt.apply(hidden).value == event
    deleted = encrypt.apply(Record("t", None, event | {"after": None}, None, EVENT))
    assert decrypt.apply(deleted).value == event | {"after": None}
    plain = encrypt.apply(Record("t", None, event))
    assert plain.value_schema is None and decrypt.apply(plain).value == event
    named = keys.transform(DecryptFields, fields="email")
    assert named.apply(plain).value["after"]["email"] == "new" and named.apply(plain).value["after"]["photo"] != b"\xff"
    assert named.apply(hidden).value["after"]["email"] == "new"


def test_an_old_row_of_which_there_is_only_the_key(keys: Keys) -> None:
    """A delete where the table's REPLICA IDENTITY is its key, and the subject is another column."""
    encrypt = keys.transform(EncryptFields, fields="email,balance", subject="address.zip")
    old = {"id": 1, "email": "", "balance": None, "photo": None, "address": None}
    event = {"before": old, "after": None, "source": {"lsn": 5}, "op": "d"}
    for schema in (EVENT, None):
        hidden = encrypt.apply(Record("t", None, event, None, schema))
        assert hidden.value["before"] == old | {"email": None} and hidden.value["after"] is None
        with pytest.raises(DataError, match=r"the row has no address\.zip"):
            encrypt.apply(Record("t", None, event | {"after": old}, None, schema))
    assert keys.asked("SELECT name FROM sqlite_master") == [], "no key is needed, so no table is made"


def test_a_deleted_key_deletes_the_person(keys: Keys) -> None:
    encrypt = keys.transform(EncryptFields)
    hidden = [encrypt.apply(Record("t", None, row(n), None, ROW)) for n in (1, 2)]
    keys.asked("DELETE FROM headwater_subject_keys WHERE subject = '1'")
    decrypt = keys.transform(DecryptFields)
    one, two = [decrypt.apply(record).value for record in hidden]
    assert (one["email"], one["balance"], one["photo"], one["address"]) == (
        None,
        None,
        None,
        {"street": None, "zip": 1001},
    )
    assert two == row(2)
    shown = keys.transform(DecryptFields, deleted_value="[deleted]").apply(hidden[0]).value
    assert (shown["email"], shown["balance"]) == ("[deleted]", None)
    anew = encrypt.apply(Record("t", None, row(1), None, ROW))
    assert decrypt.apply(anew).value == row(1) and decrypt.apply(hidden[0]).value["email"] is None


def test_what_is_no_mere_text_takes_no_text_in_its_place(keys: Keys) -> None:
    """A view has a column of jsonb, uuid, timestamptz for it."""
    row_schema = struct(
        {"id": primitive(Type.INT64), "name": primitive(Type.STRING), "extra": primitive(Type.STRING, name=JSON)}
    )
    value = {"id": 1, "name": "Ada", "extra": '{"a": 1}'}
    encrypt = keys.transform(EncryptFields, fields="name,extra")
    decrypt = keys.transform(DecryptFields, deleted_value="[deleted]")
    hidden = encrypt.apply(Record("t", None, value, None, row_schema))
    unchanged = encrypt.apply(
        Record("t", None, value | {"extra": "__debezium_unavailable_value"}, None, row_schema),
    )
    assert decrypt.apply(hidden).value == value
    assert decrypt.apply(unchanged).value["extra"] == "__debezium_unavailable_value"
    keys.asked("DELETE FROM headwater_subject_keys")
    assert decrypt.apply(hidden).value == {"id": 1, "name": "[deleted]", "extra": None}


def test_who_is_to_stay_forgotten_gets_no_key(keys: Keys) -> None:
    encrypt = keys.transform(EncryptFields)
    first = encrypt.apply(Record("t", None, row(1), None, ROW))
    keys.asked("UPDATE headwater_subject_keys SET wrapped = NULL")
    later = encrypt.apply(Record("t", None, row(1), None, ROW))
    assert later.value["email"] is None and later.value["id"] == 1
    assert keys.transform(DecryptFields).apply(first).value["email"] is None
    assert keys.asked("SELECT count(*) FROM headwater_subject_keys") == [(1,)]


def test_a_key_is_remembered_for_its_time_alone(keys: Keys) -> None:
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    long, short = keys.transform(DecryptFields, key_cache_ms="3600000"), keys.transform(DecryptFields)
    assert long.apply(hidden).value == short.apply(hidden).value == row(1)
    keys.asked("DELETE FROM headwater_subject_keys")
    assert long.apply(hidden).value == row(1) and short.apply(hidden).value["email"] is None


def test_equal_values_are_equal_for_one_person_alone(keys: Keys) -> None:
    encrypt = keys.transform(EncryptFields)
    values = [encrypt.apply(Record("t", None, row(n, email="same"), None, ROW)).value["email"] for n in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    again = keys.transform(EncryptFields).apply(Record("t", None, row(1, email="same"), None, ROW))
    assert again.value["email"] == values[0]


def test_scopes_have_keys_of_their_own(keys: Keys) -> None:
    one, two = (
        keys.transform(EncryptFields, subject_scope=scope).apply(Record("t", None, row(1), None, ROW)).value["email"]
        for scope in ("customer", "employee")
    )
    assert one != two
    assert sorted(keys.asked("SELECT scope, subject FROM headwater_subject_keys")) == [
        ("customer", "1"),
        ("employee", "1"),
    ]


def test_the_master_key_alone_opens_keys(keys: Keys) -> None:
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    with pytest.raises(Fatal, match="master key does not open"):
        keys.transform(DecryptFields, master_key=OTHER).apply(hidden)
    turned = keys.transform(DecryptFields, master_key=OTHER, master_key_old=MASTER)
    assert turned.apply(hidden).value == row(1)
    ((wrapped,),) = keys.asked("SELECT wrapped FROM headwater_subject_keys")
    head, _, data = hidden.value["email"].rpartition(":")
    opened = AESSIV(aes_key_unwrap(b"m" * 32, wrapped)).decrypt(base64.urlsafe_b64decode(data + "=="), [head.encode()])
    assert opened == b'"a1@b.de"'  # by the standards that the documentation names


def test_nulls_tombstones_and_placeholders_stay(keys: Keys) -> None:
    encrypt, decrypt = keys.transform(EncryptFields), keys.transform(DecryptFields)
    empty = {"id": 1, "email": "__debezium_unavailable_value", "balance": None, "photo": None, "address": None}
    hidden = encrypt.apply(Record("t", None, empty, None, ROW))
    assert hidden.value == empty and decrypt.apply(hidden).value == empty
    tombstone = Record("t", {"id": 1})
    assert encrypt.apply(tombstone) is tombstone and decrypt.apply(tombstone) is tombstone
    only_key = {"id": 0, "email": None, "balance": None, "photo": None, "address": {"street": None}}
    assert encrypt.apply(Record("t", None, only_key)).value == only_key
    assert decrypt.apply(Record("t", None, row(3))).value == row(3)


def test_an_unchanged_large_value_of_bytes_stays_unchanged(keys: Keys) -> None:
    """For views that decrypt it and for those that do not."""
    encrypt, decrypt = keys.transform(EncryptFields), keys.transform(DecryptFields)
    for email in ("a@b.de", "__debezium_unavailable_value"):
        record = Record("t", None, row(1, email=email, photo=b"__debezium_unavailable_value"), None, ROW)
        hidden = encrypt.apply(record)
        assert hidden.value["photo"] == "__debezium_unavailable_value"
        assert decrypt.apply(hidden).value == record.value


def test_what_a_source_writes_beside_its_tables_passes(keys: Keys) -> None:
    for schema in (HEARTBEAT_VALUE_SCHEMA, TRANSACTION_VALUE_SCHEMA):
        record = Record("t", None, {"ts_ms": 1}, None, schema)
        assert keys.transform(EncryptFields).apply(record) is record


def test_a_rehearsal_writes_nothing(keys: Keys) -> None:
    rehearsed = keys.transform(EncryptFields, key_cache_ms="60000")
    rehearsed.rehearse()
    one, two = (rehearsed.apply(Record("t", None, row(1, email="same"), None, ROW)).value["email"] for _ in range(2))
    assert one == two and one.startswith("hw1:") and keys.asked("SELECT * FROM sqlite_master") == []
    kept = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW)).value
    again = keys.transform(EncryptFields)
    again.rehearse()
    assert again.apply(Record("t", None, row(1), None, ROW)).value == kept
    again.apply(Record("t", None, row(2), None, ROW))
    assert keys.asked("SELECT count(*) FROM headwater_subject_keys") == [(1,)]


def test_an_outage_of_the_keys_blames_no_record(keys: Keys) -> None:
    """It is waited for whatever `errors.tolerance` says: a source's dead letter would hold the record in clear."""
    away = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"
    with pytest.raises(Unavailable):
        keys.transform(EncryptFields, keys_url=away).apply(Record("t", None, row(1)))


def test_a_key_that_is_deleted_while_it_is_made_blames_no_record(keys: Keys) -> None:
    keys.transform(EncryptFields).apply(Record("t", None, row(1)))
    keys.asked(
        "CREATE TRIGGER gone AFTER INSERT ON headwater_subject_keys "
        "BEGIN DELETE FROM headwater_subject_keys WHERE subject = '2'; END"
    )
    with pytest.raises(Unavailable):
        keys.transform(EncryptFields).apply(Record("t", None, row(2)))


def test_what_looks_encrypted_is_encrypted_as_well(keys: Keys) -> None:
    """A person who writes another one's cipher text into a field of his own does not get to read it."""
    encrypt, decrypt = keys.transform(EncryptFields), keys.transform(DecryptFields)
    secret = encrypt.apply(Record("t", None, row(1), None, ROW)).value["email"]
    stolen = encrypt.apply(Record("t", None, row(2, email=secret), None, ROW))
    assert decrypt.apply(stolen).value["email"] == secret


@pytest.mark.parametrize(
    "value",
    [row(1, id=None), {"email": "x"}, row(1, address={"street": ["a"]}), row(1, id="a\0"), row(1, id="\ud800"),
     row(1, id="é" * 501), row(1, email="\ud800"), row(1, address={"stret": "1 Main St"}),
     row(1, address=[{"street": "1 Main St"}])],
)  # fmt: skip
def test_rows_that_cannot_be_encrypted(keys: Keys, value: Any) -> None:
    with pytest.raises(DataError, match="t: EncryptFields"):
        keys.transform(EncryptFields).apply(Record("t", None, value))


def test_fields_that_cannot_be_encrypted(keys: Keys) -> None:
    for fields in ("address", "nothing", "id.part"):
        with pytest.raises(DataError, match="EncryptFields"):
            keys.transform(EncryptFields, fields=fields).apply(Record("t", None, row(1), None, ROW))
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    with pytest.raises(DataError, match="encrypted already"):
        keys.transform(EncryptFields).apply(hidden)


def test_a_changed_text_is_refused_without_showing_anything(keys: Keys) -> None:
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    text = hidden.value["email"]
    forged = text[:-3] + ("AAA" if text[-3:] != "AAA" else "BBB")
    with pytest.raises(DataError, match="changed or cut"):
        keys.transform(DecryptFields).apply(
            Record("t", None, hidden.value | {"email": forged}, None, hidden.value_schema)
        )


def test_a_text_that_only_begins_like_an_encrypted_one_stays(keys: Keys) -> None:
    keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    for text in ("hw1:" + "\0" * 32 + ":", "hw1:" + "\ud800" * 32 + ":x", "hw1:" + "Z" * 32 + ":x"):
        value = {"note": text}
        assert keys.transform(DecryptFields).apply(Record("t", None, value)).value == value


def test_options_are_checked_and_secret(keys: Keys) -> None:
    wrong = {"fields": "", "subject": "", "keys.url": "mysql://u:hush@h/d", "master.key": "aHVzaA=="}
    _, problems = EncryptFields.options.parse(wrong)
    assert {problem.option for problem in problems} == {"fields", "subject", "keys.url", "master.key"}
    assert "hush" not in str(problems) and "aHVzaA==" not in str(problems)


@pytest.mark.parametrize("place", ["h:54321x", "h:99999", "h:0", "[::1"])
def test_a_malformed_url_of_the_keys_is_found_before_any_record(place: str) -> None:
    given = {"fields": "a", "subject": "b", "master.key": MASTER, "keys.url": f"postgresql://u:hush@{place}/d"}
    _, problems = EncryptFields.options.parse(given)
    assert [problem.option for problem in problems] == ["keys.url"] and "hush" not in str(problems)
    given["keys.url"] = "postgresql://u:p%40ss@[::1]:5432/d?connect_timeout=2"
    assert not EncryptFields.options.parse(given)[1]


def test_without_the_table_or_the_server(keys: Keys, tmp_path: Path) -> None:
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    with pytest.raises(Fatal, match="EncryptFields makes it"):
        keys.transform(DecryptFields, keys_url=f"sqlite:///{tmp_path}/other.db").apply(hidden)
    away = "postgresql://nobody:hush@127.0.0.1:1/none?connect_timeout=2"
    for kind in (EncryptFields, DecryptFields):
        with pytest.raises(Retriable) as caught:
            keys.transform(kind, keys_url=away).apply(hidden if kind is DecryptFields else Record("t", None, row(1)))
        assert "hush" not in str(caught.value)


def test_deleted_keys_are_told_once(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    hidden = keys.transform(EncryptFields).apply(Record("t", None, row(1), None, ROW))
    keys.asked("DELETE FROM headwater_subject_keys")
    decrypt = keys.transform(DecryptFields)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            decrypt.apply(hidden)
    assert len([r for r in caplog.records if "are deleted" in r.getMessage()]) == 1


SCALARS = (
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=("Cs",)))
    | st.binary() | st.decimals(allow_nan=False)
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCALARS)
def test_any_value_comes_back(value: Any) -> None:
    key = SubjectKey("0" * 32, b"k" * 64)
    back = decrypted(key, encrypted(key, value))
    assert back == value and type(back) is type(value)
