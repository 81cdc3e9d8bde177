"""RegexRouter and Java's regular expressions; the routes were made by Kafka 4.3.1."""

from __future__ import annotations

import pytest

from headwater.transforms.java_regex import compile_java, java_regex
from headwater.transforms.regex_router import RegexRouter
from headwater.worker.api import ConfigError, Record


def router(regex: str, replacement: str) -> RegexRouter:
    made = RegexRouter()
    values, problems = made.options.parse({"regex": regex, "replacement": replacement})
    assert not problems
    made.configure(values)
    return made


@pytest.mark.parametrize(
    ("regex", "replacement", "topic", "routed"),
    [
        (r"p\.(.*)\.(?<tab>\w+)", "$1-${tab}", "p.s.t", "s-t"),
        ("a|ab", "X", "ab", "Xb"),
        ("(.*)", "x$1", "t", "xt"),
        ("(t)(.)?", r"[$2]\$$10", "t", "[]$t0"),
        ("(?i)T", "u", "t", "u"),
        (r"\Qa.b\E", "z", "a.b", "z"),
        (r"\p{Alpha}+", "q", "abc", "q"),
        (r"[\p{Digit}x]+", "q", "1x", "q"),
        (r"(?<a>\w)\k<a>", "${a}", "bb", "b"),
        ("b", "x", "abc", "abc"),
    ],
)
def test_routes(regex: str, replacement: str, topic: str, routed: str) -> None:
    record = Record(topic, value=1, version=5)
    made = router(regex, replacement).apply(record)
    assert made == record.replace(topic=routed)


def test_words_and_digits_are_ascii() -> None:
    assert not compile_java(r"\w").fullmatch("é") and not compile_java(r"\d").fullmatch("٣")


@pytest.mark.parametrize("regex", ["(", "[a-z&&[^b]]", r"\p{IsGreek}", "[[a]b]"])
def test_what_is_not_understood(regex: str) -> None:
    assert java_regex(regex) is not None


@pytest.mark.parametrize("replacement", ["$2", "${no}", "$", "$x", "a\\"])
def test_wrong_replacements(replacement: str) -> None:
    with pytest.raises(ConfigError, match="replacement"):
        router("(.*)", replacement)
