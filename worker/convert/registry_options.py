"""The options that all converters with a schema registry share.

Source of the names and defaults: Confluent's AbstractKafkaSchemaSerDeConfig and SchemaRegistryClientConfig (8.x). What
is accepted has an effect; what Confluent's converters know and these do not is refused with the reason.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from headwater.worker.api import REQUIRED, Option, Options, OptionType, Unsupported, Values, at_least

__all__ = ["REGISTRY", "STRATEGIES", "strategy_of"]

STRATEGIES: Final = ("TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy")
_RULES: Final = "Headwater runs no data contract rules"
_GUID: Final = "schemas are named by their id in the message (the format that every client reads)"
_JKS: Final = "Headwater reads PEM files; set {} to one"


def _urls(urls: Any) -> str | None:
    if not urls:
        return "names no registry"
    return None if all(map(_is_url, urls)) else "is a list of http:// or https:// URLs"


def _endpoint(url: Any) -> str | None:
    return None if url is None or _is_url(url) else "is an http:// or https:// URL"


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, half an IPv6 address
        return False


def _port(port: Any) -> str | None:
    return None if port is None or 0 < port < 65_536 else "is a port, 1 to 65535"


def strategy_of(name: str) -> str:
    """The short name of a subject name strategy, from that or Confluent's class name."""
    return name.strip().rpartition(".")[2]


def _strategy(name: Any) -> str | None:
    if strategy_of(str(name)) in STRATEGIES:
        return None
    return f"is none of {', '.join(STRATEGIES)} (Confluent's class names are understood, others are not supported)"


def _header_name(kind: str) -> Option:
    return Option(
        f"{kind}.subject.name.strategy",
        OptionType.STRING,
        "TopicNameStrategy",
        f"Subject of {kind}s' schemas: `<topic>-{kind}` (TopicNameStrategy), the record's full name "
        "(RecordNameStrategy), or `<topic>-<full name>` (TopicRecordNameStrategy).",
        validate=_strategy,
    )


_CALLS: Final = (
    Option("schema.registry.url", OptionType.LIST, REQUIRED, "URLs of the registry; the next one is asked where one "
           "does not answer.", validate=_urls, importance="high"),
    Option("schema.registry.url.randomize", OptionType.BOOLEAN, False, "Begin with any of the URLs.",
           aliases=("url.randomize",), importance="low"),
    Option("http.connect.timeout.ms", OptionType.INT, 10_000, "How long to wait for a connection.",
           validate=at_least(1), importance="low"),
    Option("http.read.timeout.ms", OptionType.INT, 10_000, "How long to wait for an answer.", validate=at_least(1),
           importance="low"),
    Option("retries.wait.ms", OptionType.INT, 1_000, "How long to wait before a registry that did not answer is "
           "asked again; doubled each time.", validate=at_least(1), importance="low"),
    Option("retries.max.wait.ms", OptionType.INT, 20_000, "The longest such wait.", validate=at_least(1),
           importance="low"),
    Unsupported("max.retries", "a registry that does not answer is waited for, see errors.retry.timeout"),
    Option("proxy.host", OptionType.STRING, None, "Proxy for the calls.", importance="low"),
    Option("proxy.port", OptionType.INT, None, "Its port.", validate=_port, importance="low"),
    Option(r"request\.header\..+", OptionType.PASSWORD, None, "A header of every call.", pattern=True,
           importance="low"),
)  # fmt: skip
_SIGN_IN: Final = (
    Option("basic.auth.credentials.source", OptionType.STRING, "URL", "Where user and password stand: in the URL, or "
           "in basic.auth.user.info.", choices=("URL", "USER_INFO")),
    Option("basic.auth.user.info", OptionType.PASSWORD, "", "`user:password`, with USER_INFO.",
           aliases=("schema.registry.basic.auth.user.info",)),
    Option("bearer.auth.credentials.source", OptionType.STRING, None, "A token as it stands, or one from an OAuth "
           "identity provider.", choices=("STATIC_TOKEN", "OAUTHBEARER")),
    Option("bearer.auth.token", OptionType.PASSWORD, "", "The token, with STATIC_TOKEN."),
    Option("bearer.auth.issuer.endpoint.url", OptionType.STRING, None, "The provider's token endpoint, with "
           "OAUTHBEARER.", validate=_endpoint),
    Option("bearer.auth.client.id", OptionType.STRING, None, "Client id, with OAUTHBEARER."),
    Option("bearer.auth.client.secret", OptionType.PASSWORD, None, "Client secret, with OAUTHBEARER."),
    Option("bearer.auth.scope", OptionType.STRING, None, "Scope asked for, with OAUTHBEARER."),
    Option("bearer.auth.logical.cluster", OptionType.STRING, None, "Sent as header target-sr-cluster."),
    Option("bearer.auth.identity.pool.id", OptionType.STRING, None, "Sent as header Confluent-Identity-Pool-Id."),
    Option("bearer.auth.cache.expiry.buffer.seconds", OptionType.INT, 300, "How long before its end a token of the "
           "provider is replaced.", validate=at_least(0), importance="low"),
    Unsupported("bearer.auth.custom.provider.class", "it names a Java class"),
    Unsupported("bearer.auth.scope.claim.name", "tokens are not looked into", harmless=("scope",)),
    Unsupported("bearer.auth.sub.claim.name", "tokens are not looked into", harmless=("sub",)),
    Unsupported(r"bearer\.auth\.uami\..*", "managed identities are not supported", pattern=True),
    Option("schema.registry.ssl.truststore.location", OptionType.STRING, None, "Whose certificates are believed: a PEM "
           "file (without it: those of the system)."),
    Option("schema.registry.ssl.truststore.certificates", OptionType.PASSWORD, None, "The same as text."),
    Option("schema.registry.ssl.keystore.location", OptionType.STRING, None, "Own key and certificates: a PEM file."),
    Option("schema.registry.ssl.key.password", OptionType.PASSWORD, None, "Opens an encrypted key.",
           aliases=("schema.registry.ssl.keystore.password",)),
    Option("schema.registry.ssl.endpoint.identification.algorithm", OptionType.STRING, "https", "Empty: the host name "
           "in the registry's certificate is not compared.", importance="low"),
    Unsupported("schema.registry.ssl.truststore.type", _JKS.format("schema.registry.ssl.truststore.location"),
                harmless=("pem",)),
    Unsupported("schema.registry.ssl.truststore.password", _JKS.format("schema.registry.ssl.truststore.location")),
    Unsupported("schema.registry.ssl.keystore.type", _JKS.format("schema.registry.ssl.keystore.location"),
                harmless=("pem",)),
    Unsupported(r"schema\.registry\.ssl\..+", "only stores as PEM, key password and endpoint identification are",
                pattern=True),
)  # fmt: skip
_SCHEMAS: Final = (
    _header_name("key"),
    _header_name("value"),
    Option("auto.register.schemas", OptionType.BOOLEAN, True, "Register schemas that the subject does not have yet."),
    Option("normalize.schemas", OptionType.BOOLEAN, False, "Let the registry compare schemas by meaning, whatever "
           "the order of their parts."),
    Option("use.latest.version", OptionType.BOOLEAN, False, "Write with the subject's latest schema (needs "
           "auto.register.schemas=false)."),
    Option("latest.compatibility.strict", OptionType.BOOLEAN, True, "Refuse a latest schema that cannot hold the "
           "records', before anything is written.", importance="low"),
    Option("latest.cache.ttl.sec", OptionType.INT, -1, "For how long the latest schema stays the latest; -1: until "
           "the task starts again.", importance="low"),
    Option("use.schema.id", OptionType.INT, -1, "Write with the schema of this id (needs "
           "auto.register.schemas=false).", importance="low"),
    Option("id.compatibility.strict", OptionType.BOOLEAN, True, "The same as latest.compatibility.strict, for "
           "use.schema.id.", importance="low"),
    Option("schemas.cache.config", OptionType.INT, 1_000, "How many schemas the converter keeps.",
           validate=at_least(1), aliases=("schemas.cache.size",), importance="low"),
    Unsupported("max.schemas.per.subject", "schemas.cache.config limits what is kept", harmless=("1000",)),
    Unsupported("latest.cache.size", "schemas.cache.config limits what is kept", harmless=("1000",)),
    Unsupported("use.latest.with.metadata", "set use.latest.version or use.schema.id"),
    Unsupported("use.schema.guid", _GUID),
    Unsupported("propagate.schema.tags", _RULES, harmless=("false",)),
    Unsupported("schema.format", "schemas are registered as they are"),
    Unsupported("execution.environment", _RULES),
    Unsupported(r"rule\..+", _RULES, pattern=True),
    Unsupported(r"validation\.rules\..+", _RULES, pattern=True, harmless=("disabled", "false")),
    Unsupported("schema.reflection", "it is about Java classes", harmless=("false",)),
    Unsupported("schema.backup.enabled", "Confluent's backup envelopes are not supported", harmless=("false",)),
    Unsupported(
        "context.name.strategy",
        "contexts stand in the registry's URL",
        harmless=("io.confluent.kafka.serializers.context.nullcontextnamestrategy",),
    ),
    Unsupported(
        r"(key|value)\.schema\.id\.serializer",
        _GUID,
        pattern=True,
        harmless=("io.confluent.kafka.serializers.schema.id.prefixschemaidserializer",),
    ),
    Unsupported(
        r"(key|value)\.schema\.id\.deserializer",
        _GUID,
        pattern=True,
        harmless=(
            "io.confluent.kafka.serializers.schema.id.prefixschemaiddeserializer",
            "io.confluent.kafka.serializers.schema.id.dualschemaiddeserializer",
        ),
    ),
    Unsupported("reference.subject.name.strategy", "schemas are registered in one piece", harmless=(
        "io.confluent.kafka.serializers.subject.defaultreferencesubjectnamestrategy",)),
    Unsupported("auto.register.reference", "schemas are registered in one piece", harmless=("true", "false")),
)  # fmt: skip
REGISTRY: Final = Options(*_CALLS, *_SIGN_IN, *_SCHEMAS)


def contradictions(values: Values) -> list[tuple[str, str, str]]:
    """(option, what is wrong, the way out) of values that cannot have an effect together."""
    found = []
    for option, given in (("use.latest.version", values["use.latest.version"]), ("use.schema.id", _by_id(values))):
        if given and values["auto.register.schemas"]:
            found.append((option, "has no effect while schemas are registered", "set auto.register.schemas to false"))
    if _by_id(values) and values["use.latest.version"]:
        found.append(("use.latest.version", "has no effect beside use.schema.id", "keep one of the two"))
    if values["basic.auth.credentials.source"] == "USER_INFO" and ":" not in values["basic.auth.user.info"]:
        found.append(("basic.auth.user.info", "is to be `user:password`", "basic.auth.credentials.source asks for it"))
    if values["basic.auth.credentials.source"] == "URL" and values["basic.auth.user.info"]:
        found.append(("basic.auth.user.info", "has no effect", "set basic.auth.credentials.source to USER_INFO"))
    if values["bearer.auth.credentials.source"] is None and (values["bearer.auth.token"] or _oauth(values)):
        found.append(("bearer.auth.credentials.source", "is missing", "STATIC_TOKEN or OAUTHBEARER"))
    if values["bearer.auth.credentials.source"] == "STATIC_TOKEN" and not values["bearer.auth.token"]:
        found.append(("bearer.auth.token", "is missing", "bearer.auth.credentials.source asks for it"))
    if values["bearer.auth.credentials.source"] == "OAUTHBEARER":
        wanted = ("bearer.auth.issuer.endpoint.url", "bearer.auth.client.id", "bearer.auth.client.secret")
        found += [(name, "is missing", "OAUTHBEARER asks for it") for name in wanted if not values[name]]
    if bool(values["proxy.host"]) != bool(values["proxy.port"]):
        found.append(("proxy.host", "needs proxy.port, and the other way round", "give both"))
    return found


def _by_id(values: Values) -> bool:
    return bool(values["use.schema.id"] >= 0)


def _oauth(values: Values) -> bool:
    return bool(values["bearer.auth.issuer.endpoint.url"] or values["bearer.auth.client.id"])
