from __future__ import annotations

from tests.rest_worker import client, config, view, worker

__all__ = ["client", "config", "view", "worker"]
