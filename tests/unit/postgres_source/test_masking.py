"""Masks at the source. Hashes of the first kind: as Debezium's MaskStringsTest and Java itself make them."""

from __future__ import annotations

import hashlib

import pytest

from headwater.connectors.postgres.catalog import ColumnInfo, TableInfo, TypeInfo, Types
from headwater.connectors.postgres.source.codec import TableCodec
from headwater.connectors.postgres.source.connector import PostgresSourceConnector
from headwater.connectors.postgres.source.masking import Masking, _java_serialized
from headwater.connectors.postgres.source.pgoutput import UNCHANGED
from headwater.connectors.postgres.types.modes import ValueModes
from headwater.worker.api import Values

TYPES = Types(
    lambda: [
        TypeInfo(23, "pg_catalog", "int4"),
        TypeInfo(25, "pg_catalog", "text"),
        TypeInfo(1043, "pg_catalog", "varchar"),
        TypeInfo(2950, "pg_catalog", "uuid"),
        TypeInfo(17, "pg_catalog", "bytea"),
        TypeInfo(20000, "public", "email", kind="d", base=1043, base_typmod=10 + 4),
        TypeInfo(20001, "public", "mood", kind="e", labels=("sad", "glad")),
    ]
)
PEOPLE = TableInfo(
    1, "public", "people", "r",
    (
        ColumnInfo("id", 1, 23, not_null=True),
        ColumnInfo("name", 2, 25),
        ColumnInfo("mail", 3, 20000, not_null=True),
        ColumnInfo("mood", 4, 20001),
        ColumnInfo("token", 5, 2950),
        ColumnInfo("photo", 6, 17),
    ),
    ("name", "id"),
)  # fmt: skip
VALUES = [b"7", b"Anna", b"a@b.de", b"glad", b"11111111-2222-3333-4444-555555555555", b"\\x00ff7f01"]


def codec(**options: str) -> TableCodec:
    return TableCodec(PEOPLE, TYPES, ValueModes(), "srv", masking=Masking(named(options)))


def named(options: dict[str, str]) -> dict[str, str]:
    """`mask_with_3_chars` -> `column.mask.with.3.chars`."""
    return {"column." + name.replace("_", "."): columns for name, columns in options.items()}


def test_asterisks_for_texts_and_nulls_alone() -> None:
    made = codec(mask_with_3_chars="public.people.(name|mail|mood|token|id)")
    row = made.decode_row(VALUES)
    assert row["name"] == row["mail"] == row["mood"] == "***"
    assert row["id"] == 7 and row["token"] == VALUES[4].decode()  # Debezium masks character types alone
    assert made.row_schema.get("name").parameters == {"masked": "true"}  # type: ignore[union-attr]
    assert made.row_schema.get("id").parameters == {"masked": "true"}  # type: ignore[union-attr]
    assert made.decode_row([b"7", None, b"a", UNCHANGED, None, None])["name"] == "***"
    assert made.decode_row([b"7", None, b"a", UNCHANGED, None, None])["mood"] == "***"


def test_the_key_stays_as_it_is() -> None:
    made = codec(mask_with_3_chars="public.people.*")
    assert made.key(made.decode_row(VALUES), VALUES) == {"name": "Anna", "id": 7}
    assert made.key_schema is not None and not made.key_schema.get("name").parameters  # type: ignore[union-attr]


def test_hashes_are_cut_to_the_column() -> None:
    rules = {"mask_hash_v2_SHA-256_with_salt_CzQMA0cB5K": "public.people.name,public.people.mail"}
    row = codec(**rules).decode_row(VALUES)
    digest = hashlib.sha256(b"CzQMA0cB5KAnna").hexdigest()
    assert row["name"] == digest
    assert row["mail"] == hashlib.sha256(b"CzQMA0cB5Ka@b.de").hexdigest()[:10]
    empty = codec(**rules).decode_row([b"7", None, b"a", None, UNCHANGED, None])
    assert empty["name"] is None


def test_hashes_of_the_first_kind() -> None:
    row = codec(**{"mask_hash_SHA-256_with_salt_salt": "public.people.name"}).decode_row(VALUES)
    assert row["name"] == hashlib.sha256(b"salt" + b"\xac\xed\x00\x05t\x00\x04Anna").hexdigest()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b"t\0\0"),
        ("a\0b", b"t\0\x04a\xc0\x80b"),
        ("\U0001f60a", b"t\0\x06\xed\xa0\xbd\xed\xb8\x8a"),
        ("x" * 70_000, b"|\0\0\0\0\0\x01\x11\x70" + b"x" * 70_000),
    ],
)
def test_how_java_serializes_a_text(text: str, data: bytes) -> None:
    assert _java_serialized(text) == b"\xac\xed\0\x05" + data


def test_texts_and_bytes_are_cut() -> None:
    made = codec(truncate_to_3_chars="public.people.*")
    row = made.decode_row(VALUES)
    assert (row["id"], row["name"], row["mail"], row["token"]) == (7, "Ann", "a@b", "111")
    assert row["photo"] == b"\x00\xff\x7f"
    assert made.row_schema.get("name").parameters == {"truncateLength": "3"}  # type: ignore[union-attr]
    assert codec(truncate_to_10_chars="public.people.mail").row_schema.get("mail").parameters == {}  # type: ignore[union-attr]
    smile = [b"7", "a\U0001f60ab".encode(), *VALUES[2:]]
    assert codec(truncate_to_2_chars="public.people.name").decode_row(smile)["name"] == "a?"
    assert codec(truncate_to_3_chars="public.people.name").decode_row(smile)["name"] == "a\U0001f60a"
    assert codec(truncate_to_0_chars="public.people.name").decode_row(smile)["name"] == ""


def test_the_first_rule_counts() -> None:
    rules = {
        "mask_hash_v2_MD5_with_salt_s": ".*",
        "mask_with_2_chars": "public.people.(name|mail)",
        "truncate_to_1_chars": "public.people.name",
    }
    row = codec(**rules).decode_row(VALUES)
    assert (row["name"], row["mail"]) == ("A", "**") and len(row["mood"]) == 32


def test_the_placeholder_of_a_large_value_stays() -> None:
    made = codec(**{"mask_hash_v2_MD5_with_salt_s": ".*"})
    row = made.decode_row([b"7", UNCHANGED, b"a", None, None, None])
    assert row["name"] == "__debezium_unavailable_value"


def test_wrong_options_are_named() -> None:
    base = {"topic.prefix": "srv", "database.hostname": "h", "database.user": "u", "database.dbname": "d"}
    names = "mask_hash_v2_SHA-99_with_salt_x", "mask_hash_v2_MD5_with_salt_${env:SALT}", "mask_with_99999999999_chars"
    wrong = named(dict.fromkeys(names, "a.b.c"))
    values, problems = PostgresSourceConnector.options.parse(base | wrong)
    assert not problems
    found = PostgresSourceConnector().validate(Values(values))
    assert [problem.option for problem in found] == list(wrong)
    _, problems = PostgresSourceConnector.options.parse(base | {"column.mask.with.3.chars": "("})
    assert [problem.option for problem in problems] == ["column.mask.with.3.chars"]
