"""SimpleDateFormat in UTC; the texts are Java 17's."""

from __future__ import annotations

from datetime import date

import pytest

from headwater.worker.api.java.dates import DAY_MS, DateFormat, days_of, moment

AT = 1_700_000_000_123  # Tuesday, 14 November 2023, 22:13:20.123


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2023-11-14T22:13:20.123Z"),
        ("yyyyMMdd", "20231114"),
        ("EEE, d MMM yy h:mm a z", "Tue, 14 Nov 23 10:13 PM UTC"),
        ("EEEE MMMM y G", "Tuesday November 2023 AD"),
        ("YYYY-'W'ww u D F W", "2023-W46 2 318 2 3"),
        ("k K S SSSSSS Z zzzz", "22 10 123 000123 +0000 Coordinated Universal Time"),
        ("'it''s' ''yyyy''", "it's '2023'"),
    ],
)
def test_written(pattern: str, text: str) -> None:
    assert DateFormat(pattern).format(AT) == text


@pytest.mark.parametrize(
    ("pattern", "text", "ms"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2023-11-14T22:13:20.123Z", AT),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2023-11-14T23:13:20.123+0100", AT),
        ("yyyyMMddHHmmssSSS", "20231114221320123", AT),
        ("EEE, d MMM yyyy h:mm:ss a", "tue, 14 NOVEMBER 2023 10:13:20 pm and more", AT - 123),
        ("yyyy-MM-dd", "2023-13-45", days_of(2024, 2, 14) * DAY_MS),
        ("yyyy D", "2023 318", AT // DAY_MS * DAY_MS),
        ("dd/MM/yy", "01/02/03", days_of(2003, 2, 1) * DAY_MS),
        ("HH:mm", "25:00", 25 * 3_600_000),
        ("yyyy G", "44 BC", days_of(-43, 1, 1) * DAY_MS),
        ("yyyy-MM-dd", "yesterday", None),
        ("yyyy-MM-dd", "2023-11", None),
        ("yyyy-MM-dd", "", None),
    ],
)
def test_read(pattern: str, text: str, ms: int | None) -> None:
    assert DateFormat(pattern).parse(text) == ms


@pytest.mark.parametrize("pattern", ["yyyy-bb", "'open", "A"])
def test_wrong_patterns(pattern: str) -> None:
    with pytest.raises(ValueError):
        DateFormat(pattern)


def test_letters_that_are_only_written() -> None:
    with pytest.raises(ValueError, match="letter Y"):
        DateFormat("YYYY").parse("2023")


def test_days_there_and_back() -> None:
    for days in [*range(-800_000, 3_000_000, 997), *range(-141_430, -141_420)]:
        at = moment(days * DAY_MS + 5)
        assert (days_of(at.year, at.month, at.day), at.ms) == (days, 5)
        if days >= -141_427 and at.year < 10_000:
            assert date(at.year, at.month, at.day).toordinal() - date(1970, 1, 1).toordinal() == days
    assert moment(-141_428 * DAY_MS)[1:4] == (1582, 10, 4)


def test_the_finest_unit() -> None:
    assert [DateFormat(p).unit_ms for p in ("yyyyMM", "HH", "h a", "a", "mm", "ss", "SSS")] == [
        DAY_MS, 3_600_000, 3_600_000, DAY_MS // 2, 60_000, 1000, 1,
    ]  # fmt: skip
