"""Java's SimpleDateFormat in UTC, and the calendar behind it: Julian before 15 October 1582, and lenient.

Source: java.text.SimpleDateFormat, java.util.GregorianCalendar (Java 17), English names, weeks from Sunday as in the
locale en_US. What is read: numbers, names of months and weekdays, AM/PM, eras, offsets; of zones' names only UTC and
GMT. Where Java would not look at the rest of a text that begins as the pattern says, neither does this.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

DAY_MS: Final = 86_400_000
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_GREGORIAN_FROM: Final = -141_427
"""Days since the epoch of 15 October 1582."""
_EPOCH: Final = 719_468
"""Days from 1 March of the year 0 to the epoch, Gregorian."""
_EPOCH_JULIAN: Final = _EPOCH + 2
_LETTERS: Final = "GyYMLwWDdFEuaHkKhmsSzZX"
_NOT_READ: Final = "YwWF"
_HALF_DAY_MS: Final = DAY_MS // 2


class Moment(NamedTuple):
    """Fields of an instant in UTC. `year` 0 is 1 BC; `weekday` 0 is Sunday; `day_of_year` begins at 1."""

    days: int
    year: int
    month: int
    day: int
    ms: int
    """Within the day."""

    @property
    def weekday(self) -> int:
        return (self.days + 4) % 7

    @property
    def day_of_year(self) -> int:
        return self.days - days_of(self.year, 1, 1) + 1

    @property
    def week(self) -> tuple[int, int]:
        """(year, week of year); the week of 1 January is the first."""
        next_year = days_of(self.year + 1, 1, 1)
        if self.days >= next_year - (next_year + 4) % 7:
            return self.year + 1, 1
        first = days_of(self.year, 1, 1)
        return self.year, (self.days - first + (first + 4) % 7) // 7 + 1


def days_of(year: int, month: int, day: int) -> int:
    """Days since the epoch. Leaps over wrong months and days as a lenient calendar does: month 13 is next January."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    shifted = year - (month <= 2)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    gregorian = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + of_year - _EPOCH
    if gregorian >= _GREGORIAN_FROM:
        return gregorian
    return 365 * shifted + shifted // 4 + of_year - _EPOCH_JULIAN


_days_of = lru_cache(4096)(days_of)


def moment(epoch_ms: int) -> Moment:
    days, ms = divmod(epoch_ms, DAY_MS)
    if days >= _GREGORIAN_FROM:
        era, of_era = divmod(days + _EPOCH, 146_097)
        of_century = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
        year = of_century + era * 400
        of_year = of_era - (365 * of_century + of_century // 4 - of_century // 100)
    else:
        era, of_era = divmod(days + _EPOCH_JULIAN, 1461)
        of_four = (of_era - of_era // 1460) // 365
        year = of_four + era * 4
        of_year = of_era - 365 * of_four
    march = (5 * of_year + 2) // 153
    month = march + 3 if march < 10 else march - 9
    return Moment(days, year + (month <= 2), month, of_year - (153 * march + 2) // 5 + 1, ms)


class DateFormat:
    """One pattern of SimpleDateFormat. Raises `ValueError` for a wrong one."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._parts = list(_parts(pattern))
        self._writers = [_literal_writer(text) if not n else _writer(text, n) for text, n in self._parts]
        self._reader = _Reader(self._parts)
        letters = {text for text, count in self._parts if count}
        units = (("S", 1), ("s", 1000), ("m", 60_000), ("HkKh", 3_600_000), ("a", _HALF_DAY_MS))
        self.unit_ms = next((ms for marks, ms in units if letters & set(marks)), DAY_MS)
        """Instants within one such unit look the same."""

    def format(self, epoch_ms: int) -> str:
        at = moment(epoch_ms)
        return "".join([write(at) for write in self._writers])

    def parse(self, text: str) -> int | None:
        """Epoch milliseconds, or None where the text does not begin as the pattern says."""
        return self._reader.read(text)


def _parts(pattern: str) -> Iterator[tuple[str, int]]:
    """(letter, how often) and (literal text, 0)."""
    for found in re.finditer(r"'((?:[^']|'')*)'|(')|([A-Za-z])\3*|[^A-Za-z']+", pattern):
        if found[2]:
            raise ValueError("has a quote that does not end")
        if found[3]:
            if found[3] not in _LETTERS:
                raise ValueError(f"has a letter that means nothing: {found[3]}")
            yield found[3], len(found[0])
        elif found[1] is not None:
            yield found[1].replace("''", "'") or "'", 0
        else:
            yield found[0], 0


def _literal_writer(text: str) -> Callable[[Moment], str]:
    return lambda at: text


def _writer(letter: str, count: int) -> Callable[[Moment], str]:
    names: dict[str, Callable[[Moment], str]] = {
        "G": lambda at: "AD" if at.year > 0 else "BC",
        "a": lambda at: "AM" if at.ms < _HALF_DAY_MS else "PM",
        "E": lambda at: WEEKDAYS[at.weekday][: None if count > 3 else 3],
        "z": lambda at: "Coordinated Universal Time" if count > 3 else "UTC",
        "Z": lambda at: "+0000",
        "X": lambda at: "Z",
    }
    if letter in names:
        return names[letter]
    if letter in "ML" and count > 2:
        return lambda at: MONTHS[at.month - 1][: None if count > 3 else 3]
    number = _NUMBERS[letter]
    if letter in "yY" and count == 2:
        return lambda at: f"{number(at) % 100:02d}"
    return lambda at: f"{number(at):0{count}d}"


_NUMBERS: Final[dict[str, Callable[[Moment], int]]] = {
    "y": lambda at: at.year if at.year > 0 else 1 - at.year,
    "Y": lambda at: at.week[0],
    "M": lambda at: at.month,
    "L": lambda at: at.month,
    "w": lambda at: at.week[1],
    "W": lambda at: (at.day - 1 + (at.days - at.day + 1 + 4) % 7) // 7 + 1,
    "D": lambda at: at.day_of_year,
    "d": lambda at: at.day,
    "F": lambda at: (at.day - 1) // 7 + 1,
    "u": lambda at: at.weekday or 7,
    "H": lambda at: at.ms // 3_600_000,
    "k": lambda at: at.ms // 3_600_000 or 24,
    "K": lambda at: at.ms // 3_600_000 % 12,
    "h": lambda at: at.ms // 3_600_000 % 12 or 12,
    "m": lambda at: at.ms // 60_000 % 60,
    "s": lambda at: at.ms // 1000 % 60,
    "S": lambda at: at.ms % 1000,
}


class _Reader:
    """One regular expression for the whole pattern, without ways back: Java reads each field as far as it goes."""

    def __init__(self, parts: list[tuple[str, int]]) -> None:
        self._unread = next((letter for letter, count in parts if count and letter in _NOT_READ), None)
        self._fields: list[tuple[str, int]] = [part for part in parts if part[1]]
        source = ""
        for index, (text, count) in enumerate(parts):
            following = parts[index + 1] if index + 1 < len(parts) else ("", 0)
            source += _expression(text, count, _is_number(*following)) if count else re.escape(text)
        self._expression = re.compile(source)
        letters = [letter for letter, _ in self._fields]
        self._letters = tuple(letters)
        self._is_plain = len(set(letters)) == len(letters) and all(
            letter in "dHmsS" or (letter == "y" and count > 2) or (letter == "M" and count < 3)
            for letter, count in self._fields
        )
        """Numbers alone, each of which means what it says."""

    def read(self, text: str) -> int | None:
        if self._unread:
            raise ValueError(f"dates cannot be read by the letter {self._unread}")
        found = self._expression.match(text)
        if found is None:
            return None
        if self._is_plain and max(map(len, found.groups())) < 10:  # Java's numbers have 32 bits
            return _plain_instant(dict(zip(self._letters, map(int, found.groups()), strict=True)))
        values: dict[str, int] = {}
        for (letter, count), value in zip(self._fields, found.groups(), strict=True):
            key = "M" if letter == "L" else "Z" if letter in "zX" else letter
            values.pop(key, None)
            values[key] = _value(letter, count, value)
        return _instant(values)


def _is_number(letter: str, count: int) -> bool:
    """Does a field of numbers before this one have to stop at its own length?"""
    return bool(count) and (letter in "ydHkKhmsSDFwWuY" or (letter in "ML" and count < 3))


def _expression(letter: str, count: int, has_to_stop: bool) -> str:
    names = {
        "G": "AD|BC",
        "a": "AM|PM",
        "E": "|".join((*WEEKDAYS, *(name[:3] for name in WEEKDAYS))),
        "M": "|".join((*MONTHS, *(name[:3] for name in MONTHS))),
        "Z": r"[+-]\d\d\d\d|GMT(?:[+-]\d\d?:\d\d)?|Coordinated Universal Time|UTC",
        "X": r"Z|[+-]\d\d" + {1: "", 2: r"\d\d"}.get(count, r":\d\d"),
    }
    kind = {"L": "M", "z": "Z"}.get(letter, letter)
    if kind in names and not (kind == "M" and count < 3):
        return rf"[ \t]*+((?>(?i:{names[kind]})))"
    if not has_to_stop:
        return r"[ \t]*+(-?+\d++)"
    return rf"[ \t]*+(-\d{{1,{count - 1}}}+|\d{{1,{count}}}+)" if count > 1 else r"[ \t]*+(\d)"


def _value(letter: str, count: int, text: str) -> int:
    if letter in "zZX":
        return _offset_ms(text)
    if letter == "G":
        return int(text.upper() == "BC")
    if letter == "a":
        return int(text.upper() == "PM")
    if letter == "E":
        return 0  # Java lets the day of the month decide
    if letter in "ML" and count > 2:
        return next(n for n, name in enumerate(MONTHS, 1) if name[:3].lower() == text[:3].lower())
    number = int(text)
    if not -(2**31) <= number < 2**31:
        number = (number + 2**31) % 2**32 - 2**31
    if letter == "y" and count < 3 and len(text) == 2 and text.isdigit():
        start = time.gmtime().tm_year - 80
        return number + start // 100 * 100 + (100 if number < start % 100 else 0)
    if (letter, number) in (("k", 24), ("h", 12)):
        return 0
    return number


def _plain_instant(values: dict[str, int]) -> int:
    get = values.get
    seconds = (get("H", 0) * 60 + get("m", 0)) * 60 + get("s", 0)
    return _days_of(get("y", 1970), get("M", 1), get("d", 1)) * DAY_MS + seconds * 1000 + get("S", 0)


def _offset_ms(text: str) -> int:
    found = re.search(r"([+-])(\d\d?):?(\d\d)?$", text)
    if found is None:
        return 0
    return (int(found[2]) * 60 + int(found[3] or 0)) * (-60_000 if found[1] == "-" else 60_000)


def _instant(values: dict[str, int]) -> int:
    """Of two ways to say the same, the later one in the pattern counts."""
    order = list(values)
    year = values.get("y", 1970)
    if values.get("G"):
        year = 1 - year
    if "D" in values and not any(order.index(k) > order.index("D") for k in "Md" if k in values):
        days = days_of(year, 1, 1) + values["D"] - 1
    else:
        days = days_of(year, values.get("M", 1), 1) + values.get("d", 1) - 1
    whole = [k for k in order if k in "Hk"]
    half = [k for k in order if k in "Kh"]
    if half and (not whole or ("a" in values and max(map(order.index, (*half, "a"))) > order.index(whole[-1]))):
        hours = values[half[-1]] + 12 * values.get("a", 0)
    else:
        hours = values[whole[-1]] if whole else 12 * values.get("a", 0)
    ms = ((hours * 60 + values.get("m", 0)) * 60 + values.get("s", 0)) * 1000 + values.get("S", 0)
    return days * DAY_MS + ms - values.get("Z", 0)
