"""The other side of each connector: what the suite puts where a source reads, and finds where a sink writes."""

LOGS = ("embedded", "kafka")
