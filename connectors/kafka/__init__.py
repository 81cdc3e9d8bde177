"""Topics of another Kafka cluster, or of the same one: read into the worker's log, and written from it."""
