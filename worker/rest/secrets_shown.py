"""Configs as they are shown: `${…}` as written, passwords that were written out literally hidden.

Kafka Connect shows those too; here no answer holds a secret. A config that is sent back as it was shown keeps them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from headwater.worker.api import HeadwaterError
from headwater.worker.config.secrets import VARIABLE, is_secret_name

log = logging.getLogger(__name__)

MASK: Final = "********"
AGAIN_S = 30.0
"""After a plugin could not be asked."""

PluginCall = Callable[..., dict[str, Any]]


class SecretOptions:
    """Which options a connector's plugin declares as passwords; asked for once a class, in a process of its own."""

    def __init__(self, call: PluginCall) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[str]] = {}
        self._again_at: dict[str, float] = {}

    def of(self, config: Mapping[str, str]) -> frozenset[str]:
        """Empty where the plugin cannot be asked: then the options' names alone tell, until it can be."""
        name = config.get("connector.class", "")
        with self._lock:
            if name not in self._known and time.monotonic() >= self._again_at.get(name, 0.0):
                found = self._ask(name)
                if found is None:
                    self._again_at[name] = time.monotonic() + AGAIN_S
                else:
                    self._known[name] = found
            return self._known.get(name, frozenset())

    def _ask(self, name: str) -> frozenset[str] | None:
        try:
            answer = self._call("validate", {"name": "any", "connector.class": name})
        except HeadwaterError as error:
            log.warning("the options of %s are not known, asking again in %.0f s: %s", name, AGAIN_S, error)
            return None
        return frozenset(option["name"] for option in answer["options"] if option["type"] == "PASSWORD")


def shown(config: Mapping[str, str], secret_options: Collection[str] = ()) -> dict[str, str]:
    return {name: _shown(name, text, secret_options) for name, text in config.items()}


def _shown(name: str, text: str, secret_options: Collection[str]) -> str:
    if name in secret_options or is_secret_name(name):
        return MASK if text and not VARIABLE.fullmatch(text.strip()) else text
    if "://" not in text or "@" not in text:
        return text
    try:
        password = urlsplit(text).password
    except ValueError:
        return text
    return text if not password or VARIABLE.search(password) else text.replace(f":{password}@", f":{MASK}@", 1)


def unmasked(
    config: Mapping[str, str], stored: Mapping[str, str] | None, secret_options: Collection[str] = ()
) -> dict[str, str]:
    """What was sent, with the stored value of every option that was sent as it is shown."""
    known = stored or {}
    return {
        name: known[name] if name in known and text == _shown(name, known[name], secret_options) else text
        for name, text in config.items()
    }
