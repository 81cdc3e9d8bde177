"""SASL and TLS options of Kafka's Java clients as librdkafka's settings. No value of a secret is ever in a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headwater.worker.api import Problem

Given = Mapping[str, tuple[str, str]]
"""Name at the client -> (full option name, value)."""

_AS_IT_IS: Final = frozenset(
    {
        "ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "ssl.key.location", "ssl.key.pem",
        "ssl.certificate.location", "ssl.certificate.pem", "ssl.ca.location", "ssl.ca.pem",
        "ssl.ca.certificate.stores", "ssl.crl.location", "ssl.key.password", "enable.ssl.certificate.verification",
        "sasl.username", "sasl.password", "sasl.kerberos.service.name", "sasl.kerberos.principal",
        "sasl.kerberos.kinit.cmd", "sasl.kerberos.keytab", "sasl.kerberos.min.time.before.relogin",
        "sasl.oauthbearer.config", "sasl.oauthbearer.method", "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope", "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.sub.claim.name", "sasl.oauthbearer.grant.type",
        "https.ca.location", "https.ca.pem",
    }
)  # fmt: skip

_JAVA: Final = frozenset(
    {
        "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.jaas.config",
        "ssl.endpoint.identification.algorithm",
        "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.type", "ssl.keystore.key",
        "ssl.keystore.certificate.chain", "ssl.truststore.location", "ssl.truststore.password",
        "ssl.truststore.type", "ssl.truststore.certificates", "ssl.protocol", "ssl.enabled.protocols", "ssl.provider",
        "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation",
        "ssl.engine.factory.class", "sasl.client.callback.handler.class", "sasl.login.callback.handler.class",
        "sasl.login.class",
    }
)  # fmt: skip

SECURITY: Final[Mapping[str, None]] = dict.fromkeys(sorted(_AS_IT_IS | _JAVA))

_IGNORED: Final = frozenset(
    {
        "ssl.protocol", "ssl.enabled.protocols", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm",
        "ssl.secure.random.implementation", "ssl.provider", "ssl.keystore.type", "ssl.truststore.type",
        "ssl.truststore.password",
    }
)  # fmt: skip
"""About Java's own TLS, or only of use together with another option that reads them."""

_JAVA_CLASSES: Final = frozenset(
    {
        "ssl.engine.factory.class", "sasl.client.callback.handler.class", "sasl.login.callback.handler.class",
        "sasl.login.class",
    }
)  # fmt: skip

_JAAS_ITEM: Final = re.compile(r"""([\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"']+)""")
_PASSWORD_MODULES: Final = ("PlainLoginModule", "ScramLoginModule")
_CONVERT: Final = (
    "convert it: keytool -importkeystore -srckeystore {file} -destkeystore store.p12 -deststoretype PKCS12"
)


def security_settings(given: Given) -> tuple[dict[str, str], list[Problem]]:
    """librdkafka's settings from those of `given` that are about security, and what is wrong with them."""
    result: dict[str, str] = {}
    problems: list[Problem] = []
    for name, (option, value) in given.items():
        if name in _AS_IT_IS:
            result[name] = value
        elif name in _JAVA_CLASSES and value.strip():
            problems.append(Problem(option, "Java classes cannot be loaded", "use an option of librdkafka instead"))
    _protocol(given, result, problems)
    _jaas(given, result, problems)
    _key_store(given, result, problems)
    _trust_store(given, result, problems)
    _host_names(given, result)
    return result, problems


def _value(given: Given, name: str, default: str = "") -> str:
    return given[name][1].strip() if name in given else default


def _protocol(given: Given, result: dict[str, str], problems: list[Problem]) -> None:
    protocol = _value(given, "security.protocol")
    if protocol:
        if protocol.upper() not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
            text = f"must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, not {protocol!r}"
            problems.append(Problem(given["security.protocol"][0], text))
        result["security.protocol"] = protocol.lower()
    for name in ("sasl.mechanisms", "sasl.mechanism"):
        if _value(given, name):
            result["sasl.mechanism"] = _value(given, name)


def _jaas(given: Given, result: dict[str, str], problems: list[Problem]) -> None:
    text = _value(given, "sasl.jaas.config")
    if not text:
        return
    option = given["sasl.jaas.config"][0]
    module = text.split(None, 1)[0].rsplit(".", 1)[-1]
    items = {name: _unquoted(value) for name, value in _JAAS_ITEM.findall(text)}
    if module in _PASSWORD_MODULES:
        if not items.get("username") or "password" not in items:
            problems.append(Problem(option, f"no username and password are given to {module}", 'username="…"'))
            return
        result["sasl.username"], result["sasl.password"] = items["username"], items["password"]
    elif module == "OAuthBearerLoginModule":
        for jaas, setting in (("clientId", "client.id"), ("clientSecret", "client.secret"), ("scope", "scope")):
            if jaas in items:
                result[f"sasl.oauthbearer.{setting}"] = items[jaas]
        if "sasl.oauthbearer.token.endpoint.url" in given:
            result.setdefault("sasl.oauthbearer.method", "oidc")
    elif module == "Krb5LoginModule":
        for jaas, setting in (("principal", "principal"), ("keyTab", "keytab"), ("serviceName", "service.name")):
            if jaas in items:
                result.setdefault(f"sasl.kerberos.{setting}", items[jaas])
    else:
        problems.append(Problem(option, f"cannot use the login module {module}", "set sasl.username, sasl.password"))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] in "\"'" else value


def _store_type(given: Given, kind: str) -> str:
    """As the option says, else as the file begins: JKS by its magic number, PKCS12 as DER."""
    chosen = _value(given, f"ssl.{kind}.type").upper()
    if chosen:
        return chosen
    path = Path(_value(given, f"ssl.{kind}.location"))
    try:
        with path.open("rb") as file:
            begin = file.read(4)
    except OSError:  # told by the client when it connects
        begin = b""
    if begin == b"\xfe\xed\xfe\xed" or path.suffix.lower() == ".jks":
        return "JKS"
    return "PKCS12" if begin[:1] == b"\x30" or path.suffix.lower() in (".p12", ".pfx") else "PEM"


def _key_store(given: Given, result: dict[str, str], problems: list[Problem]) -> None:
    """The client's own certificate."""
    location = _value(given, "ssl.keystore.location")
    for name, setting in (("key", "ssl.key.pem"), ("certificate.chain", "ssl.certificate.pem")):
        if _value(given, f"ssl.keystore.{name}"):
            result[setting] = _lines(_value(given, f"ssl.keystore.{name}"))
    if not location:
        return
    option, kind = given["ssl.keystore.location"][0], _store_type(given, "keystore")
    if kind == "PKCS12":
        result["ssl.keystore.location"] = location
        if _value(given, "ssl.keystore.password"):
            result["ssl.keystore.password"] = _value(given, "ssl.keystore.password")
    elif kind == "PEM":  # one file with the key and the certificate chain
        result["ssl.key.location"] = result["ssl.certificate.location"] = location
        if _value(given, "ssl.keystore.password"):
            result.setdefault("ssl.key.password", _value(given, "ssl.keystore.password"))
    else:
        problems.append(
            Problem(
                option,
                f"a key store of type {kind} cannot be read, PKCS12 and PEM can",
                _CONVERT.format(file=location) + " and set ssl.keystore.type=PKCS12",
            )
        )


def _trust_store(given: Given, result: dict[str, str], problems: list[Problem]) -> None:
    """The certificate authorities that are believed."""
    if _value(given, "ssl.truststore.certificates"):
        result["ssl.ca.pem"] = _lines(_value(given, "ssl.truststore.certificates"))
    location = _value(given, "ssl.truststore.location")
    if not location:
        return
    kind = _store_type(given, "truststore")
    if kind == "PEM":
        result["ssl.ca.location"] = location
        return
    problems.append(
        Problem(
            given["ssl.truststore.location"][0],
            f"a trust store of type {kind} cannot be read, PEM can",
            f"convert it: keytool -list -rfc -keystore {location} > ca.pem, and set ssl.truststore.type=PEM and "
            "ssl.truststore.location to that file",
        )
    )


def _lines(pem: str) -> str:
    """Java's properties hold a PEM in one line with `\\n`, or with spaces between its lines."""
    text = pem.replace("\\n", "\n")
    return re.sub(r"(-----BEGIN [A-Z ]+-----)\s*(.+?)\s*(-----END [A-Z ]+-----)", _broken, text, flags=re.S)


def _broken(match: re.Match[str]) -> str:
    return f"{match[1]}\n" + "\n".join(match[2].split()) + f"\n{match[3]}\n"


def _host_names(given: Given, result: dict[str, str]) -> None:
    name = "ssl.endpoint.identification.algorithm"
    if name in given:
        result[name] = "https" if _value(given, name).lower() == "https" else "none"
