"""Variables in values, and keeping their contents out of sight."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import ConfigError
from headwater.worker.config.secrets import VARIABLE, Redactor, expand, is_secret_name, secret_values


def test_the_three_providers(tmp_path: Path) -> None:
    (tmp_path / "a.properties").write_text("user=me\npassword=p\\:w\n")
    (tmp_path / "token").write_text("t0ken\n")
    raw = {
        "a": "x${env:NAME}y${env:EMPTY}", "b": f"${{file:{tmp_path}/a.properties:password}}",
        "c": f"${{dir:{tmp_path}:token}}", "d": "plain $1 ${value} $", "e": "${env:ONCE}",
    }  # fmt: skip
    assert expand(raw, {"NAME": "1", "EMPTY": "", "ONCE": "${env:NAME}"}) == {
        "a": "x1y", "b": "p:w", "c": "t0ken", "d": "plain $1 ${value} $", "e": "${env:NAME}",
    }  # fmt: skip


def test_everything_that_is_missing_is_told_and_no_value_is(tmp_path: Path) -> None:
    (tmp_path / "a.properties").write_text("other=hidden\n")
    raw = {
        "one": "${env:GONE}${env:GONE_TOO}", "two": f"${{file:{tmp_path}/a.properties:key}}",
        "three": f"${{file:{tmp_path}/none:key}}", "four": f"${{dir:{tmp_path}:../etc}}",
        "five": "${vault:secret/db:password}", "six": "${file:key}", "seven": f"${{dir:{tmp_path}:none}}",
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        expand(raw, {"OTHER": "hidden"})
    assert [(p.option, p.message.replace(str(tmp_path), "DIR")) for p in caught.value.problems] == [
        ("one", "environment variable GONE is not set"),
        ("one", "environment variable GONE_TOO is not set"),
        ("two", "DIR/a.properties has no key key"),
        ("three", "cannot read DIR/none: No such file or directory"),
        ("four", "../etc is not a plain file name"),
        ("five", "no config provider 'vault'"),
        ("six", "${file:…} names no key"),
        ("seven", "cannot read DIR/none: No such file or directory"),
    ]
    assert "hidden" not in str(caught.value)


def test_what_counts_as_secret() -> None:
    raw = {"database.password": "literal", "url": "pg://u:${env:PW}@${env:HOST}/db", "x.opaque": "zzz", "y": "shown"}
    expanded = expand(raw, {"PW": "pass@word", "HOST": "db.example.com"})
    assert secret_values(raw, expanded, {"x.opaque"}) == {"literal", "pass@word", "db.example.com", "zzz"}
    assert is_secret_name("sasl.jaas.config")
    assert is_secret_name("aws.secret.access.key")
    assert is_secret_name("producer.override.ssl.key.pem")
    assert is_secret_name("sasl.oauthbearer.config")
    assert is_secret_name("value.converter.basic.auth.user.info")
    assert is_secret_name("value.converter.request.header.Authorization")
    assert not is_secret_name("value.converter.basic.auth.credentials.source")
    assert not is_secret_name("tasks.max")
    assert not is_secret_name("ssl.key.location")


def test_the_password_within_a_jaas_config() -> None:
    jaas = {"sasl.jaas.config": 'org.example.PlainLoginModule required username="hw" password="hush7";'}
    assert Redactor(secret_values(jaas, jaas)).redact("hw: hush7 was refused") == "hw: *** was refused"


def test_what_the_config_says_in_plain_words_is_no_secret() -> None:
    raw = {"name": "nyc", "database.dbname": "${env:DB}", "database.password": "${env:DB}", "slot.name": "${env:SLOT}"}
    expanded = expand(raw, {"DB": "nyc", "SLOT": "other"})
    assert secret_values(raw, expanded) == {"nyc", "other"}  # a password is one, whatever else has its text
    del raw["database.password"]
    assert secret_values(raw, expand(raw, {"DB": "nyc", "SLOT": "other"})) == {"other"}


def test_redacting() -> None:
    redactor = Redactor(["hunter2", "hunter2345", "ab", ""])
    assert redactor.redact("hunter2345 and hunter2 and ab") == "*** and *** and ab"
    assert redactor.redact("postgresql://me:s3cret@host/db?x=1") == "postgresql://me:***@host/db?x=1"
    assert redactor.redact("host=h password='a b' user=u") == "host=h password=*** user=u"
    assert (
        redactor.redact("jdbc:postgresql://h/db?user=u&password=pw&ssl=1")
        == "jdbc:postgresql://h/db?user=u&password=***&ssl=1"
    )
    redactor.add({"user"})
    assert "user" not in redactor.redact("the user")
    assert Redactor().redact("a://b/c password: unset") == "a://b/c password: unset"


@pytest.mark.parametrize("secret", ['it\'s \\ "hush"', "säcret\n7", "a@b/c d", "\udcff hush"])
def test_secrets_as_errors_quote_them(secret: str) -> None:
    redactor = Redactor([secret])
    quoted = [repr(secret), str(KeyError(secret)), json.dumps(secret), json.dumps(secret, ensure_ascii=False)]
    assert [redactor.redact(text) for text in quoted] == [f"{text[0]}***{text[-1]}" for text in quoted]
    assert redactor.redact(f"GET /?q={quote(secret, safe='', errors='replace')}&r") == "GET /?q=***&r"


def test_short_values_blot_out_nothing() -> None:
    assert Redactor([" ", "/", "\n"]).redact("a%20b%2Fc\\n d") == "a%20b%2Fc\\n d"


@given(st.lists(st.text("abc:/@.", max_size=6), min_size=1, max_size=4), st.text("xyz ", max_size=4))
def test_filled_in_values_cannot_be_read_back(values: list[str], between: str) -> None:
    environment = {f"V{index}": value for index, value in enumerate(values)}
    raw = {"option": between.join(f"${{env:{name}}}" for name in environment)}
    assert len(VARIABLE.findall(raw["option"])) == len(values)
    expanded = expand(raw, environment)
    redacted = Redactor(secret_values(raw, expanded)).redact(expanded["option"])
    whole = [value for value in values if len(value) >= 3] if between.strip() else []
    assert all(value not in redacted for value in whole)
