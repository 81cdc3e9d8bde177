"""A worker's options for its REST API: where it answers, to whom and how.

Names and meanings: `RestServerConfig` of Kafka Connect 4.3.1; `rest.basic.auth.users.file` is Headwater's own.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option, OptionType

__all__ = ["BASIC_AUTH_EXTENSIONS", "REST", "USERS_FILE"]

BASIC_AUTH_EXTENSIONS: Final = (
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
    "BasicAuthSecurityRestExtension",
)
USERS_FILE: Final = "rest.basic.auth.users.file"
_HEADER_ACTIONS: Final = ("set", "add", "setdate", "adddate")


def _known_extensions(names: list[str]) -> str | None:
    if unknown := [name for name in names if name not in BASIC_AUTH_EXTENSIONS]:
        return f"names {', '.join(unknown)}: Java classes are not run here; there is {BASIC_AUTH_EXTENSIONS[0]} alone"
    return None


def header_rules(text: str) -> list[tuple[str, str, str]]:
    """`response.http.headers.config` as (action in lower case, header, value). Raises `ValueError`.

    Rules are separated by commas; one that holds a comma stands in double quotes.
    """
    rules = []
    for rule in _csv(text):
        action, _, header = rule.strip().partition(" ")
        name, colon, value = header.partition(":")
        name = name.strip()
        if action.lower() not in _HEADER_ACTIONS:
            raise ValueError(f"{rule.strip()!r} begins with {action!r}; there are set, add, setDate and addDate")
        if not colon or not name or any(character.isspace() for character in name) or not (name + value).isprintable():
            raise ValueError(f"{rule.strip()!r} is not of the form: action name:value")
        if action.lower().endswith("date") and not value.strip().lstrip("-").isdigit():
            raise ValueError(f"{rule.strip()!r}: a date is given as milliseconds from now")
        rules.append((action.lower(), name, value.strip()))
    return rules


def _csv(text: str) -> list[str]:
    """Source: `StringUtil.csvSplit` of Jetty, which Kafka Connect reads the rules with."""
    parts, quoted, part = [], False, ""
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return [one for one in [*parts, part] if one.strip()]


def _right_headers(text: str) -> str | None:
    try:
        header_rules(text)
    except ValueError as error:
        return str(error)
    return None


REST: Final = (
    Option("listeners", OptionType.LIST, ("http://127.0.0.1:8083",), "Where REST answers: addresses such as "
           "http://127.0.0.1:8083 or https://0.0.0.0:8443; `none`: nowhere.", group="REST"),
    Option("admin.listeners", OptionType.LIST, None, "Where `/admin` answers; not given: with the rest; empty: "
           "nowhere.", importance="low", group="REST"),
    Option("rest.advertised.host.name", default=None, importance="low", group="REST",
           doc="The host by which other workers reach this one; default: the listener's."),
    Option("rest.advertised.port", OptionType.INT, None, "The port by which other workers reach this one; default: the "
           "listener's.", importance="low", group="REST"),
    Option("rest.advertised.listener", default=None, choices=("http", "https"), importance="low", group="REST",
           doc="Which of the listeners other workers use; default: http where there is one."),
    Option("rest.extension.classes", OptionType.LIST, (), f"`{BASIC_AUTH_EXTENSIONS[0]}`: users sign in with name and "
           f"password, see {USERS_FILE}.", validate=_known_extensions, importance="low", group="REST"),
    Option(USERS_FILE, default=None, group="REST",
           doc="A properties file of name=password; only these may use REST (HTTP basic authentication)."),
    Option("access.control.allow.origin", OptionType.LIST, (), "Pages that browsers may let use REST: origins such as "
           "https://console.example.com, or *.", importance="low", group="REST"),
    Option("access.control.allow.methods", OptionType.LIST, (), "Methods that such pages may use; default: GET, POST, "
           "HEAD.", importance="low", group="REST"),
    Option("response.http.headers.config", default="", validate=_right_headers, importance="low", group="REST",
           doc="Headers of every answer, as `set X-Frame-Options:DENY, add Cache-Control:no-cache`."),
    Option(r"(admin\.)?listeners\.https\.ssl\.(key\.password|keystore\.(password|key)|truststore\.password)",
           OptionType.PASSWORD, pattern=True, group="REST"),
    Option(r"(admin\.)?listeners\.https\.ssl\..+", doc="TLS of https listeners: `ssl.keystore.location` (a PEM file "
           "with key and certificates), `ssl.key.password`, `ssl.truststore.location`, `ssl.client.auth`, … Where "
           "none is given, the worker's own `ssl.…` are taken.", pattern=True, group="REST"),
    Option("topic.tracking.enable", OptionType.BOOLEAN, True, "Keep the list of topics that each connector uses.",
           importance="low", group="REST"),
    Option("topic.tracking.allow.reset", OptionType.BOOLEAN, True, "Let that list be reset over REST.",
           importance="low", group="REST"),
)  # fmt: skip
