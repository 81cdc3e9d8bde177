"""Functions that expressions have beyond CEL's own, and the bound of what one evaluation may make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TooMuch(ValueError):
    """An evaluation made more than it may."""


class Budget:
    """Characters and bytes that one evaluation makes with these functions, and that its result has."""

    characters: Final = 16 * 1024 * 1024
    item: Final = 64
    """What an item of a list or map counts for: the library and Python need some hundred bytes for it."""

    def __init__(self) -> None:
        self.renew()

    def renew(self, longest: int | None = None) -> None:
        """`longest`: of lists that `split` makes."""
        self._left = self.characters
        self._longest = longest

    def spend_list(self, items: int) -> None:
        """Raises `TooMuch`."""
        self.spend(items * self.item)

    def spend_split(self, parts: int) -> None:
        """Raises `TooMuch`."""
        self.spend_list(parts)
        if self._longest is not None and parts > self._longest:
            raise TooMuch(f"split makes {parts:,} parts; {self._longest:,} at most where a loop makes a list")

    def spend(self, number: int) -> None:
        """Raises `TooMuch`."""
        self._left -= number
        if self._left < 0:
            raise TooMuch(f"the expression makes more than {self.characters:,} characters of one record")


BUDGET: Final = Budget()
"""Of this process: a task evaluates one expression at a time."""


def functions(cel: Any) -> list[Any]:
    """`cel`: the library's module."""
    text, number, time = cel.Type.STRING, cel.Type.INT, cel.Type.TIMESTAMP
    texts = cel.Type.List(text)

    def member(name: str, result: Any, *overloads: tuple[Any, list[Any]]) -> Any:
        return cel.FunctionDecl(
            name,
            [
                cel.Overload(
                    id=f"headwater_{name}_{place}", return_type=result, parameters=given, is_member=True, impl=impl
                )
                for place, (impl, given) in enumerate(overloads)
            ],
        )

    def moment(name: str, unit: str) -> Any:
        def impl(n: int) -> datetime:
            try:
                return _EPOCH + timedelta(**{unit: n})
            except OverflowError:
                raise ValueError(f"{name}({n}) is beyond the years 1 to 9999") from None

        overload = cel.Overload(id=f"headwater_{name}", return_type=time, parameters=[number], impl=impl)
        return cel.FunctionDecl(name, [overload])

    return [
        member("lower", text, (lambda s: _spent(s, 2).lower(), [text])),
        member("upper", text, (lambda s: _spent(s, 3).upper(), [text])),
        member("trim", text, (lambda s: _spent(s).strip(), [text])),
        member("split", texts, (_split, [text, text])),
        member("join", text, (_join, [texts, text])),
        member("replace", text, (_replace, [text, text, text])),
        member("substring", text, (_substring, [text, number]), (_substring, [text, number, number])),
        moment("days", "days"),
        moment("millis", "milliseconds"),
        moment("micros", "microseconds"),
    ]


def _spent(text: str, times: int = 1) -> str:
    BUDGET.spend(len(text) * times)
    return text


def _split(text: str, by: str) -> list[str]:
    BUDGET.spend(len(text))
    BUDGET.spend_split(text.count(by) + 1 if by else len(text))
    return text.split(by) if by else list(text)


def _join(texts: list[str], by: str) -> str:
    if not all(isinstance(item, str) for item in texts):
        raise ValueError("join takes texts alone; write .map(x, string(x)) before it")
    BUDGET.spend(sum(map(len, texts)) + len(texts) * len(by))
    return by.join(texts)


def _replace(text: str, old: str, new: str) -> str:
    BUDGET.spend(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _substring(text: str, first: int, end: int | None = None) -> str:
    if first < 0 or (end is not None and end < first):
        raise ValueError("substring takes from and to, from 0 on")
    return _spent(text[first:end])
