"""A shop on two shards with an outbox; what it does; and, in plain Python, what a chain of transforms makes of it.

Numbers come from one seed. Each row changes once a transaction at most, so that its events have versions in order.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

SCHEMA = """
CREATE SCHEMA shard1;
CREATE SCHEMA shard2;
CREATE TABLE shard1.orders (id int PRIMARY KEY, city text, total int, placed timestamptz, note text);
CREATE TABLE shard2.orders (LIKE shard1.orders INCLUDING ALL);
ALTER TABLE shard1.orders REPLICA IDENTITY FULL;
ALTER TABLE shard2.orders REPLICA IDENTITY FULL;
CREATE TABLE mark (id serial PRIMARY KEY);
CREATE TABLE outbox (id text PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb);
"""
SHARDS = ("shard1", "shard2")
CITIES = ("Oslo", "Zürich", "東京", "São Paulo", "Nuuk", "", "Łódź", "🏙 city", "a" * 300, None)
"""None: where the row has no city, the key says the partition."""
PARTITIONS = 4
SOURCE = r"""
name: {prefix}
connector.class: PostgresSource
topic.prefix: {prefix}
database: {{hostname: 127.0.0.1, port: {port}, user: postgres, password: none, dbname: {dbname}}}
slot.name: {prefix}
publication.name: {prefix}
snapshot.chunk.rows: 500
topic.creation.default.partitions: 4
topic.creation.default.cleanup.policy: delete
topic.creation.default.retention.ms: -1
transforms: outbox, drafts, tokyo, place, shards, tenth
transforms.outbox.type: EventRouter
transforms.outbox.predicate: outbox
transforms.outbox.route.topic.replacement: {prefix}.event.${{routedByValue}}
transforms.outbox.table.expand.json.payload: true
transforms.outbox.table.fields.additional.placement: type:header:eventType
transforms.drafts.type: io.debezium.transforms.Filter
transforms.drafts.language: cel
transforms.drafts.topic.regex: {prefix}\.shard\d\.orders
transforms.drafts.condition: value.op == 'd' || value.after.note == null || !value.after.note.startsWith('draft')
transforms.tokyo.type: TimezoneConverter
transforms.tokyo.converted.timezone: Asia/Tokyo
transforms.tokyo.include.list: source:orders:placed
transforms.place.type: PartitionRouting
transforms.place.predicate: outbox
transforms.place.negate: true
transforms.place.partition.payload.fields: change.city
transforms.place.partition.topic.num: 4
transforms.shards.type: ByLogicalTableRouter
transforms.shards.topic.regex: {prefix}\.shard\d\.(orders)
transforms.shards.topic.replacement: {prefix}.all.$1
transforms.shards.key.field.name: shard
transforms.shards.key.field.regex: {prefix}\.(shard\d)\..*
transforms.shards.key.field.replacement: $1
transforms.tenth.type: ContentBasedRouter
transforms.tenth.topic.regex: {prefix}\.all\.orders
transforms.tenth.topic.expression: "key.id % 10 == 0 ? topic + '.tenth' : topic"
transforms.tenth.null.handling.mode: evaluate
predicates: outbox
predicates.outbox.type: TopicNameMatches
predicates.outbox.pattern: {prefix}\.(public\.outbox|event\..*)
"""
ORDERS = """
name: {prefix}-orders
connector.class: PostgresSink
topics: {prefix}.all.orders, {prefix}.all.orders.tenth
connection.url: {view}
connection.username: postgres
connection.password: none
version.column: __version
transforms: table, unwrap, op, pick
transforms.table.type: RegexRouter
transforms.table.regex: .*
transforms.table.replacement: orders
transforms.unwrap.type: ExtractNewRecordState
transforms.unwrap.add.headers: op
transforms.op.type: HeaderToValue
transforms.op.headers: __op
transforms.op.fields: op
transforms.op.operation: move
transforms.op.predicate: gone
transforms.op.negate: true
transforms.pick.type: Select
transforms.pick.where: value.total < 9000
transforms.pick.otherwise: tombstone
transforms.pick.keep: id, total, placed, op
transforms.pick.set.label: "(value.city == null ? 'nowhere' : value.city.upper()) + '-' + string(value.id)"
transforms.pick.set.net: double(value.total) / 4.0
transforms.pick.set.shard: key.shard
predicates: gone
predicates.gone.type: RecordIsTombstone
"""
LINES = """
name: {prefix}-lines
connector.class: PostgresSink
topics: {prefix}.event.order
connection.url: {view}
connection.username: postgres
connection.password: none
transforms: table, lines
transforms.table.type: RegexRouter
transforms.table.regex: .*
transforms.table.replacement: lines
transforms.lines.type: Select
transforms.lines.each: value.items
transforms.lines.where: item.count > 0
transforms.lines.value: item
transforms.lines.set.name: value.name
transforms.lines.set.type: headers.eventType
transforms.lines.type.type: string
transforms.lines.key.order: key
transforms.lines.key.line: index
"""


class Row(NamedTuple):
    id: int
    city: str | None
    total: int
    placed: datetime
    note: str | None


class Change(NamedTuple):
    """`before` and `after`: None where there is no row."""

    shard: str
    op: str
    before: Row | None
    after: Row | None


class Event(NamedTuple):
    """A row of the outbox."""

    id: str
    order: str
    type: str
    payload: dict[str, Any]


@dataclass
class Shop:
    """All that has been done so far, in order."""

    seed: int
    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: {shard: {} for shard in SHARDS})

    def __post_init__(self) -> None:
        self._choose = random.Random(self.seed)

    def fill(self, connection: psycopg.Connection[Any], count: int) -> None:
        """As many rows in each shard, which a snapshot will read."""
        for shard in SHARDS:
            made = [self._row(number) for number in range(count)]
            with connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {shard}.orders VALUES (%s, %s, %s, %s, %s)", made)
            self.rows[shard] = {row.id: row for row in made}
            self.changes += [Change(shard, "r", None, row) for row in made]

    def work(self, connection: psycopg.Connection[Any], transactions: int) -> None:
        for _ in range(transactions):
            with connection.transaction(), connection.cursor() as cursor:
                touched: set[tuple[str, int]] = set()
                for _ in range(self._choose.randrange(5, 50)):
                    self._change(cursor, touched)
                for _ in range(self._choose.randrange(1, 10)):
                    self._event(cursor)

    def _change(self, cursor: psycopg.Cursor[Any], touched: set[tuple[str, int]]) -> None:
        shard = self._choose.choice(SHARDS)
        number = self._choose.randrange(int(len(self.rows[shard]) * 1.1))
        if (shard, number) in touched:
            return
        touched.add((shard, number))
        before, after = self.rows[shard].get(number), None
        if before is None:
            after = self._row(number)
            cursor.execute(f"INSERT INTO {shard}.orders VALUES (%s, %s, %s, %s, %s)", after)
        elif self._choose.random() < 0.2:
            cursor.execute(f"DELETE FROM {shard}.orders WHERE id = %s", [number])
        else:
            after = self._row(number)
            cursor.execute(
                f"UPDATE {shard}.orders SET city = %s, total = %s, placed = %s, note = %s WHERE id = %s",
                [*after[1:], number],
            )
        self.changes.append(Change(shard, "c" if before is None else "d" if after is None else "u", before, after))
        if after is None:
            del self.rows[shard][number]
        else:
            self.rows[shard][number] = after

    def _event(self, cursor: psycopg.Cursor[Any]) -> None:
        order = self._choose.randrange(300)
        items = [
            {"sku": f"s{place}", "count": self._choose.randrange(3)} for place in range(1, self._choose.randrange(2, 6))
        ]
        payload = {"name": f"näme {len(self.events)}", "items": items}
        event = Event(f"e{len(self.events)}", str(order), self._choose.choice(("placed", "paid")), payload)
        cursor.execute("INSERT INTO outbox VALUES (%s, 'order', %s, %s, %s)", [*event[:3], json.dumps(payload)])
        self.events.append(event)

    def _row(self, number: int) -> Row:
        placed = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._choose.randrange(10**7))
        note = self._choose.choice((None, "ok", "drafty", "a draft"))
        return Row(number, self._choose.choice(CITIES), self._choose.randrange(10_000), placed, note)

    # --- what the chains make of it

    def passed(self) -> Iterator[Change]:
        """The changes that the filter lets pass."""
        for change in self.changes:
            if change.after is None or change.after.note is None or not change.after.note.startswith("draft"):
                yield change

    def on_topics(self) -> dict[str, dict[tuple[str, int], list[tuple[Any, ...]]]]:
        """By topic and key: operation, row before, row after; a tombstone is (None,). In order."""
        made: dict[str, dict[tuple[str, int], list[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(list))
        for change in self.passed():
            row = change.after or change.before
            assert row is not None
            topic = "all.orders.tenth" if row.id % 10 == 0 else "all.orders"
            told = made[topic][change.shard, row.id]
            told.append((change.op, _told(change.before), _told(change.after)))
            if change.op == "d":
                told.append((None,))
        return made

    def orders(self) -> set[tuple[Any, ...]]:
        """The view: shard, id, total, placed, op, label, net."""
        view: dict[tuple[str, int], tuple[Any, ...]] = {}
        for change in self.passed():
            row = change.after
            if row is None or row.total >= 9000:
                gone = row or change.before
                assert gone is not None
                view.pop((change.shard, gone.id), None)
                continue
            label = f"{'nowhere' if row.city is None else row.city.upper()}-{row.id}"
            found = (change.shard, row.id, row.total, row.placed, change.op, label, row.total / 4)
            view[change.shard, row.id] = found
        return set(view.values())

    def lines(self) -> set[tuple[Any, ...]]:
        """The view: order, line, sku, count, name, type."""
        view: dict[tuple[str, int], tuple[Any, ...]] = {}
        for event in self.events:
            for line, item in enumerate(event.payload["items"]):
                if item["count"] > 0:
                    found = (event.order, line, item["sku"], item["count"], event.payload["name"], event.type)
                    view[event.order, line] = found
        return set(view.values())


def _told(row: Row | None) -> dict[str, Any] | None:
    """As it stands in an event, its time in Tokyo."""
    if row is None:
        return None
    return {**row._asdict(), "placed": f"{(row.placed + timedelta(hours=9)):%Y-%m-%dT%H:%M:%S}+09:00"}
