"""What `headwater check` says, and that the rights it asks for are enough for everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.connectors.postgres.sink import PostgresSinkConnector
from headwater.connectors.postgres.sink.generations import PostgresGenerations
from headwater.worker.api import Fatal, Finding, Values
from tests.conftest import Database

from .records import TOPIC, Task, Topic, table, values

pytestmark = pytest.mark.system


@pytest.fixture
def role(database: Database) -> Iterator[str]:
    """A user without any right but to connect."""
    name = f"view_{database.name}"
    with database.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")  # type: ignore[arg-type]
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")  # type: ignore[arg-type]
        yield name
        connection.execute(f"DROP OWNED BY {name} CASCADE")  # type: ignore[arg-type]
        connection.execute(f"DROP ROLE {name}")  # type: ignore[arg-type]


def errors(config: Values) -> list[Finding]:
    return [finding for finding in PostgresSinkConnector().check(config) if finding.level == "error"]


def test_a_server_that_is_not_there_is_said_so(database: Database) -> None:
    raw: dict[str, str | None] = {"connection.url": "postgresql://127.0.0.1:1/x", "connection.password": "secret"}
    parsed, _ = PostgresSinkConnector.options.parse(raw)
    [error] = errors(parsed)
    assert error.subject == "connection" and "127.0.0.1:1/x" in error.message and "secret" not in error.message


def test_a_good_database_has_no_errors(database: Database) -> None:
    assert errors(values(database)) == []
    Task(values(database)).sink.close()
    findings = PostgresSinkConnector().check(values(database))
    assert errors(values(database)) == [] and any("format 1" in finding.message for finding in findings)


def test_following_each_fix_leads_to_a_view_that_can_be_rebuilt(database: Database, role: str) -> None:
    config = values(database, connection_username=role)
    found = errors(config)
    assert {finding.subject for finding in found} == {"privileges", "state"}
    with database.connect() as connection:
        for finding in found:
            connection.execute(finding.fix.split(", or ")[0])  # type: ignore[arg-type]
    assert errors(config) == []
    topic = Topic()
    records = [topic.put({"id": n, "name": "x", "qty": n}) for n in range(10)]
    with Task(config) as task:
        task.put(*records)
    generations = PostgresGenerations(config, "view")
    assert not [finding for finding in generations.preflight({TOPIC: records[0]}) if finding.level == "error"]
    generations.create(2, {TOPIC: records[0]})
    with Task(config, generation=2) as task:
        task.put(*records)
    generations.finish_load(2)
    generations.promote(2, 1)
    assert len(table(database)) == 10
    generations.drop(1)
    generations.close()
    with database.connect() as connection:
        connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA headwater FROM PUBLIC")


def test_to_read_headwaters_tables_is_not_enough(database: Database, role: str) -> None:
    Task(values(database)).sink.close()  # by another user
    with database.connect() as connection:
        connection.execute(f"GRANT USAGE ON SCHEMA headwater TO {role}")  # type: ignore[arg-type]
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA headwater TO {role}")  # type: ignore[arg-type]
    [error] = [e for e in errors(values(database, connection_username=role)) if e.subject == "state"]
    assert "may not use Headwater's tables" in error.message
    with database.connect() as connection:
        connection.execute(error.fix)  # type: ignore[arg-type]
    assert not [e for e in errors(values(database, connection_username=role)) if e.subject == "state"]


def with_topic(config: Values, **more: object) -> Values:
    """As the runtime gives them: with the framework's options too."""
    return Values({**config, "name": "view", "topics": [TOPIC], **more})


def test_a_table_of_somebody_else_is_found(database: Database) -> None:
    config = values(database)
    with database.connect() as connection:
        connection.execute("CREATE TABLE shop_public_orders (id int PRIMARY KEY, name text, qty int)")
        assert errors(with_topic(config)) == []  # empty: it would be used
        connection.execute("INSERT INTO shop_public_orders VALUES (1, 'old', 1)")
    [error] = errors(with_topic(config))
    assert error.subject == "public.shop_public_orders" and "is not Headwater's" in error.message
    assert "collection.name.format" in error.fix and "adopt.tables" in error.fix
    assert errors(with_topic(values(database, adopt_tables="true"))) == []
    assert errors(with_topic(values(database, collection_name_format="view_${topic}"))) == []
    assert errors(with_topic(config, transforms=["route"])) == []  # it may lead to another name: a warning


def test_the_tables_of_views_are_told_apart(database: Database) -> None:
    config = values(database)
    with Task(config) as task:
        task.put(Topic().put({"id": 1, "name": "a", "qty": 1}))
    assert errors(with_topic(config)) == []
    [error] = errors(with_topic(config, name="other"))
    assert "belongs to the view view" in error.message


def test_nobody_is_told_to_grant_rights_on_a_table_of_another_role(database: Database, role: str) -> None:
    config = values(database, connection_username=role)
    with database.connect() as connection:
        for finding in errors(config):
            connection.execute(finding.fix.split(", or ")[0])  # type: ignore[arg-type]
        connection.execute("CREATE TABLE shop_public_orders (id int PRIMARY KEY, name text, qty int)")
    [error] = errors(with_topic(config))
    assert "may not write into it" in error.message and "GRANT" not in error.fix
    with Task(config) as task:
        with pytest.raises(Fatal, match="is not Headwater's") as refused:
            task.put(Topic().put({"id": 1, "name": "a", "qty": 1}))
        assert not task.bad and "grant" not in str(refused.value) and "collection.name.format" in str(refused.value)


def test_rows_of_others_are_updated_with_no_more_rights_than_that(database: Database, role: str) -> None:
    config = values(database, connection_username=role, insert_mode="update", adopt_tables="true")
    with database.connect() as connection:
        assert not any("may not make tables in schema public" in finding.message for finding in errors(config))
        for finding in errors(config):
            connection.execute(finding.fix.split(", or ")[0])  # type: ignore[arg-type]
        connection.execute("CREATE TABLE shop_public_orders (id int PRIMARY KEY, name text, qty int)")
        connection.execute("INSERT INTO shop_public_orders VALUES (1, 'a', 1)")
        connection.execute(f"GRANT SELECT, UPDATE ON shop_public_orders TO {role}")  # type: ignore[arg-type]
    assert errors(with_topic(config)) == []
    with Task(config) as task:
        task.put(Topic().put({"id": 1, "name": "b", "qty": 2}))
        assert not task.bad
    assert table(database) == [(1, "b", 2)]
