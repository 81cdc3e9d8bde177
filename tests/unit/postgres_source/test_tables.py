"""The filters of the config, and the SQL of chunks."""

from __future__ import annotations

import pytest

from headwater.connectors.postgres.source import chunks
from headwater.connectors.postgres.source.options import OPTIONS
from headwater.connectors.postgres.source.tables import Candidate, Matcher, TableFilter, captured, shared_topics
from headwater.worker.api import Fatal


def candidate(name: str, kind: str = "r", root: str | None = None) -> Candidate:
    schema, _, table = name.partition(".")
    return Candidate(1, schema, table, kind, root, 0, True, "d", True, True)


def table_filter(**options: str) -> TableFilter:
    raw = {"topic.prefix": "t", "database.hostname": "h", "database.user": "u", "database.dbname": "d"}
    values, problems = OPTIONS.parse(raw | {name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    return TableFilter(values)


def test_patterns_match_whole_names_in_any_case() -> None:
    match = Matcher(r"public\.o.*, audit\.x")
    assert match("public.orders") and match("PUBLIC.Orders") and match("audit.x")
    assert not match("public.a_orders") and not match("audit.xy") and not match("xpublic.o")
    assert Matcher(None)("anything") and not Matcher(None, "any.*")("anything")


def test_system_tables_never() -> None:
    everything = table_filter()
    assert everything.captures("public", "t")
    for schema, table in (
        ("pg_catalog", "t"),
        ("information_schema", "t"),
        ("pg_temp_1", "t"),
        ("public", "spatial_ref_sys"),
    ):
        assert not everything.captures(schema, table)


def test_keys_by_table() -> None:
    keys = table_filter(message_key_columns=r"public\.a:x, y;public\.b.*:z")
    assert keys.key_columns("public.a") == ("x", "y")
    assert keys.key_columns("public.bbb") == ("z",) and keys.key_columns("public.c") is None


def test_partitions() -> None:
    found = [candidate("public.p", "p"), candidate("public.p1", root="public.p"), candidate("public.t")]
    assert [t.name for t in captured(found, table_filter(), via_root=False)] == ["p1", "t"]
    assert [t.name for t in captured(found, table_filter(), via_root=True)] == ["p", "t"]
    with pytest.raises(Fatal, match="matches none of its partitions"):
        captured(found, table_filter(table_include_list=r"public\.p"), via_root=False)


def test_tables_that_would_share_a_topic() -> None:
    assert shared_topics({"a": "t.a", "b": "t.b"}) == []
    assert shared_topics({"a!": "t.a_", "a?": "t.a_"}) == ["a? and a! -> t.a_"]


def test_sql_of_chunks() -> None:
    relation = chunks.Relation('s"x', "t", "r", ("a", "b"), ("a", "b"), ("integer", "text"), where="a > 5")
    assert chunks.copy_statement(relation, ("1", "it's"), ("9", "z")).as_string() == (
        'COPY (SELECT "a", "b" FROM ONLY "s""x"."t" WHERE (a > 5) AND ("a", "b") > (\'1\'::integer, \'it\'\'s\'::text)'
        ' AND ("a", "b") <= (\'9\'::integer, \'z\'::text) ORDER BY "a", "b") TO STDOUT'
    )
    assert chunks.boundary_query(relation, None, 10).as_string() == (
        'SELECT "a"::text, "b"::text FROM ONLY "s""x"."t" WHERE (a > 5) ORDER BY "a", "b" OFFSET 9 LIMIT 2'
    )
    chosen = chunks.Relation("s", "t", "p", ("a",), select="SELECT * FROM s.t WHERE a < 3")
    assert chunks.copy_statement(chosen, None, None, 7).as_string() == (
        'COPY (SELECT "a" FROM (SELECT * FROM s.t WHERE a < 3) AS "t" LIMIT 7) TO STDOUT'
    )
