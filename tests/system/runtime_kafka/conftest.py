from __future__ import annotations

from tests.system.runtime.conftest import on_kafka

__all__ = ["on_kafka"]
