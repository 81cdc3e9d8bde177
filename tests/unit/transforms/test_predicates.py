from __future__ import annotations

import pytest

from headwater.transforms.predicates import HasHeaderKey, RecordIsTombstone, TopicNameMatches
from headwater.worker.api import Header, Predicate, Record


def configured(predicate: Predicate, **options: str) -> Predicate:
    values, problems = predicate.options.parse(dict(options))
    assert not problems
    predicate.configure(values)
    return predicate


def test_has_header_key() -> None:
    predicate = configured(HasHeaderKey(), name="a")
    assert predicate.test(Record("t", headers=(Header("b", b""), Header("a", None))))
    assert not predicate.test(Record("t", headers=(Header("b", b""),)))
    assert not predicate.test(Record("t"))


def test_record_is_tombstone() -> None:
    predicate = configured(RecordIsTombstone())
    assert predicate.test(Record("t", key=1)) and not predicate.test(Record("t", value=0))


def test_topic_name_matches_whole() -> None:
    predicate = configured(TopicNameMatches(), pattern=r"shop\..*")
    assert predicate.test(Record("shop.a")) and not predicate.test(Record("my.shop.a"))


@pytest.mark.parametrize(
    ("predicate", "name", "text"),
    [(HasHeaderKey, "name", ""), (TopicNameMatches, "pattern", ""), (TopicNameMatches, "pattern", "(")],
)
def test_wrong_options(predicate: type[Predicate], name: str, text: str) -> None:
    assert [problem.option for problem in predicate.options.parse({name: text})[1]] == [name]
    assert [problem.option for problem in predicate.options.parse({})[1]] == [name]
