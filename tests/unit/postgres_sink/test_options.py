from __future__ import annotations

from typing import Any

import pytest

from headwater.connectors.postgres.sink import PostgresSinkConnector
from headwater.connectors.postgres.sink.connection import conninfo
from headwater.connectors.postgres.sink.meanings import changes_tables, creates_tables, tells_by_log_key
from headwater.worker.api import Problem

URL = "jdbc:postgresql://db.example:5433/shop"


def problems(**options: str) -> list[Problem]:
    raw: dict[str, str | None] = {"connection.url": URL}
    raw |= {name.replace("_", "."): value for name, value in options.items()}
    connector = PostgresSinkConnector()
    parsed, found = connector.options.parse(raw)
    return found + connector.validate(parsed)


def test_a_config_of_debeziums_sink_is_taken_as_it_is() -> None:
    assert not problems(
        connection_username="u", connection_password="p", insert_mode="upsert", delete_enabled="true",
        primary_key_mode="record_key", schema_evolution="basic", use_time_zone="UTC", table_name_format="${topic}",
    )  # fmt: skip


def test_a_config_of_confluents_sink_is_taken_where_it_says_the_same() -> None:
    assert not problems(
        connection_user="u", pk_mode="record_key", pk_fields="id", auto_create="true", auto_evolve="true",
        db_timezone="UTC", max_retries="10", batch_size="3000", fields_whitelist="a,b", quote_sql_identifiers="ALWAYS",
        connection_loginTimeout="10", connection_sslmode="require", table_types="TABLE, PARTITIONED TABLE",
    )  # fmt: skip
    assert not problems(auto_create="true", auto_evolve="false", pk_mode="record_value", insert_mode="INSERT")


def test_what_the_newest_debezium_has_is_known() -> None:
    assert not problems(
        primary_key_mode="record_header", primary_key_fields="id", delete_enabled="true", insert_mode="insert",
        schema_evolution="validate-only", keyed_message_batch_mode="passthrough", internal_enable_sces="true",
        collection_naming_strategy="io.debezium.sink.naming.PassthroughCollectionNamingStrategy",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"insert_mode": "update"}, "needs adopt.tables: true"),
        ({"insert_mode": "update", "adopt_tables": "true", "primary_key_mode": "kafka"}, "no row to change"),
        ({"insert_mode": "multi"}, "must be one of"),
        ({"primary_key_mode": "record_header"}, "primary.key.fields: required"),
        ({"primary_key_mode": "record_value", "delete_enabled": "true"}, "need not be in its event"),
        ({"primary_key_mode": "kafka", "primary_key_fields": "a"}, "must be three names"),
        ({"primary_key_mode": "kafka", "delete_enabled": "true"}, "needs primary.key.mode: record_key"),
        ({"auto_create": "false", "schema_evolution": "basic"}, "contradicts schema.evolution"),
        ({"quote_sql_identifiers": "never", "quote_identifiers": "true"}, "contradicts quote.identifiers"),
        ({"collection_naming_strategy": "com.example.Mine"}, "Java classes cannot be loaded"),
        ({"connection_logintimeout": "10"}, "unknown option"),
        ({"date_calendar_system": "LEGACY"}, "not supported"),
        ({"table_types": "VIEW"}, "renamed"),
        ({"column_naming_strategy": "com.example.Mine"}, "transform"),
        ({"collection_name_format": "${table}"}, "knows ${topic}"),
        ({"field_include_list": "a", "field_exclude_list": "b"}, "together"),
        ({"field_include_list": "("}, "not a regular expression"),
        ({"state_schema": "my schema"}, "letters"),
        ({"use_time_zone": "Europe/Berlin"}, "only UTC"),
        ({"hibernate_c3p0_x": "1"}, "no Hibernate"),
        ({"delete_enable": "true"}, "did you mean delete.enabled?"),
    ],
)
def test_what_is_not_supported_is_said_by_name(options: dict[str, str], message: str) -> None:
    [problem] = problems(**options)
    assert message in str(problem)


def test_parameters_of_the_driver_win_over_the_urls() -> None:
    options = {"connectTimeout": "7", "ssl": "true", "prepareThreshold": "5", "sslpassword": "of the key"}
    url = {"connection.url": URL + "?connectTimeout=3"}
    found = conninfo(url | {f"connection.{name}": value for name, value in options.items()})
    assert (found["connect_timeout"], found["sslmode"], found["sslpassword"]) == ("7", "verify-full", "of the key")


def test_the_drivers_schema_and_options_go_together() -> None:
    url = {"connection.url": URL + "?currentSchema=sales&options=-c%20work_mem=8MB"}
    assert conninfo(url)["options"] == "-c search_path=sales -c work_mem=8MB"
    found = conninfo(url | {"connection.currentSchema": "views", "connection.options": "-c jit=off"})
    assert found["options"] == "-c search_path=sales -c work_mem=8MB -c search_path=views -c jit=off"


def test_creation_and_evolution_are_two_questions() -> None:
    def answers(**options: str) -> tuple[bool, bool]:
        raw = {"connection.url": URL} | {name.replace("_", "."): value for name, value in options.items()}
        values, _ = PostgresSinkConnector.options.parse(raw)
        return creates_tables(values), changes_tables(values)

    assert answers() == (True, True)
    assert answers(schema_evolution="validate-only") == answers(schema_evolution="none") == (False, False)
    assert answers(auto_create="false") == (False, True)
    assert answers(auto_create="true", auto_evolve="false") == (True, False)


def test_a_missing_url_is_one_problem() -> None:
    parsed, found = PostgresSinkConnector.options.parse({})
    assert [p.option for p in found + PostgresSinkConnector().validate(parsed)] == ["connection.url"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@h/db",
        "jdbc:postgresql://h/db?user=u&password=secret",
        "postgresql://h/db?sslpassword=secret",
        "mysql://u:secret@h/db",
    ],
)
def test_no_problem_quotes_a_password(url: str) -> None:
    parsed, found = PostgresSinkConnector.options.parse({"connection.url": url})
    found += PostgresSinkConnector().validate(parsed)
    assert found and not any("secret" in f"{problem} {problem.value}" for problem in found)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, {"host": "db.example", "port": "5433", "dbname": "shop"}),
        ("postgresql://h/db?sslmode=require", {"host": "h", "dbname": "db", "sslmode": "require"}),
        ("jdbc:postgresql://a:1,b:2/db?targetServerType=primary",
         {"host": "a,b", "port": "1,2", "target_session_attrs": "read-write"}),
        ("jdbc:postgresql://h/db?ssl=true&currentSchema=sales&ApplicationName=x",
         {"sslmode": "verify-full", "options": "-c search_path=sales", "application_name": "x"}),
        ("jdbc:postgresql:db", {"dbname": "db"}),
    ],
)  # fmt: skip
def test_jdbc_urls_become_libpqs(url: str, expected: dict[str, Any]) -> None:
    found = conninfo({"connection.url": url, "connection.username": "me", "connection.password": "pw"})
    assert found | expected == found
    assert (found["user"], found["password"]) == ("me", "pw")


@pytest.mark.parametrize("url", ["jdbc:mysql://h/db", "h/db", "jdbc:postgresql://h/db?unknown=1"])
def test_urls_that_cannot_be_read_are_refused(url: str) -> None:
    assert any(p.option == "connection.url" for p in problems(connection_url=url)[:1])


@pytest.mark.parametrize(
    ("options", "tells"),
    [
        ({}, True),
        ({"primary.key.mode": "record_value"}, False),
        ({"primary.key.mode": "record_header", "version.column": "none"}, False),
        ({"primary.key.mode": "record_value", "version.column": "v"}, True),
    ],
)
def test_whether_the_log_tells_which_record_of_a_row_is_the_newest(options: dict[str, str | None], tells: bool) -> None:
    parsed, _ = PostgresSinkConnector().options.parse({"connection.url": URL, **options})
    assert tells_by_log_key(parsed) is tells
