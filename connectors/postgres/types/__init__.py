"""One type family, one file: text of PostgreSQL -> value and schema of an event, as Debezium 3.7 writes them."""
