"""The parts of `bench/beside_debezium.py`."""
