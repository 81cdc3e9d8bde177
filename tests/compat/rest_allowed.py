"""Where Headwater's answers differ from Kafka Connect's, each with the reason. A test fails for any other difference,
and for a line here that is of no use any more."""

from __future__ import annotations

import re
from typing import NamedTuple

from .rest_compared import Difference


class Allowed(NamedTuple):
    """`call` and `field` are regular expressions for the whole of them."""

    call: str
    field: str
    reason: str

    def covers(self, difference: Difference) -> bool:
        return bool(re.fullmatch(self.call, difference.call) and re.fullmatch(self.field, difference.field))


_MISTAKES = (
    r"create (without a body|from no JSON|from a list|from an empty object|without options|with an unknown field|"
    r"with a list|in no state)|put no config|alter offsets (in a wrong shape|that the connector refuses)|"
    r"validate (without a class|nothing known)"
)
_STATUS = r"(status|task status|expand|stopped|restart).*"
_DEFINITION = r"body\.(configs\.)?([a-z.]+\.)?(definition\.)?"

ALLOWED = [
    Allowed("root", r"body\.(version|commit|kafka_cluster_id)", "another program, on another log"),
    Allowed(_STATUS, r"body\.(.+\.)?worker_id", "another worker"),
    Allowed(_STATUS, r"body\.(.+\.)?version", "another plugin of that name"),
    Allowed(_STATUS, r"body\.(.+\.)?generations?", "told besides: generations of views"),
    Allowed(
        _STATUS,
        r"body\.(.+\.)?(caught_up|cpu_s|last_failure|memory_bytes|metrics|pid|progress|restarts)",
        "told besides: what the task's process does and takes",
    ),
    Allowed(
        r"unknown path|wrong method.*|not acceptable|tasks-config|.* (from|as) text",
        "kind",
        "Java's HTTP framework names no content type for errors of its own; the body is the same",
    ),
    Allowed(_MISTAKES, r"status|body\.error_code", "the client's mistake, so 400; in Java it ends in an exception"),
    Allowed(
        f"{_MISTAKES}|(create|put|patch|alter|reset) .*",
        r"body\.message",
        "words for people: what is wrong, where, and what to do about it",
    ),
    Allowed("tasks.*", r"body\[\d\]\.config\.task\.class", "a task here is no Java class"),
    Allowed("(options|validate).*", _DEFINITION + "(documentation|display_name|width)", "words for people, and forms"),
    Allowed("(options|validate).*", _DEFINITION + "order_in_group", "numbered as declared; Java's FileStream is not"),
    Allowed("validate a wrong config", r"body\.configs\.batch\.size\.value\.value", "what was sent, to be put right"),
    Allowed("validate a wrong config", r"body\.configs\.batch\.size\.value\.errors\[0\]", "words for people"),
    Allowed(
        "validate null",
        r"body\.(error_count|configs\.batch\.size\.value\..+)",
        "Java takes null for right, and the connector then fails with a ClassCastException",
    ),
]
