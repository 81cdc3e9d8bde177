"""Expressions over a record, in the Common Expression Language (CEL), compiled once and evaluated for each record.

The library is CEL's own C++ implementation (cel-expr-python). An expression cannot hang or fill memory: it has no loops
but those over lists and maps of the record, at most `LOOPS` within each other; the library ends an evaluation after
10,000 rounds and refuses expressions nested deeper than 32; what grows text is bounded here.
Language: https://github.com/google/cel-spec/blob/master/doc/langdef.md. Why CEL: docs/decisions/0020-expressions.md.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

from headwater.worker.api import DataError, Record, Schema, shortened

from .expression_functions import BUDGET, TooMuch, functions
from .expression_paths import Shape, Wanted, merge, shape

VARIABLES: Final = ("value", "key", "topic", "headers", "partition", "timestamp_ms")
OF_EACH: Final = ("item", "index")
LENGTH: Final = 4_000
LOOPS: Final = 2
ROUNDS: Final = 10_000
LISTED: Final = 4_000
"""Items of a list that `map` or `filter` goes through: the library needs 16 bytes for each two of them."""
_READ: Final = 16 * 1024 * 1024
"""Values that are taken over for all items of `each` together: some ten seconds."""
_DIGITS: Final = 15
"""That many decimal digits a double holds exactly."""
_INT64: Final = 2**63
_TOO_DEEP: Final = "what it reads is nested too deep; read fields within it alone"
_MISSING: Final = "CEL is missing: pip install 'headwater[expressions]'"
_ERROR: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_NOISE: Final = re.compile(r" \(in container ''\)| \[[A-Z_]+\]$|^[A-Z_]+: ")
_PLAINER: Final = {
    "Applying SELECT to non-message type": "a field is read of null, or of what has no fields",
    "basic_string: construction from null is not valid": "a text holds half of a surrogate pair",
}
_EXPECTED: Final = re.compile(r" expecting \{.*\}")


class WrongExpression(ValueError):
    """Says where in the expression and what."""


class _Failed(ValueError):
    """An evaluation that has no result."""


class Expression(NamedTuple):
    """`result`: CEL's name of the type that it gives, DYN where the record decides. `shape`: what it reads."""

    text: str
    shape: Shape
    result: str
    program: Any

    def within(self, bound: Bound) -> Any:
        """The result: None, bool, int, float, str, bytes, datetime, list or dict. Raises `DataError`."""
        if self.shape.loops and (self.shape.grows or self.shape.collects):
            self._check_growth(bound.values)
        BUDGET.renew(LISTED if self.shape.collects else None)
        try:
            return _plain(self.program.eval(bound.activation))
        except RecursionError:
            raise DataError(f"{shortened(self.text, 200)}: {_TOO_DEEP}") from None
        except (TooMuch, _Failed, RuntimeError) as error:  # the last: what CEL cannot take, as half a surrogate pair
            cause = _NOISE.sub("", _first_line(error))
            raise DataError(f"{shortened(self.text, 200)}: {_PLAINER.get(cause, cause)}") from error

    def _check_growth(self, values: Mapping[str, Any]) -> None:
        longest, most = _extent(values)
        if self.shape.collects and most > LISTED:
            raise DataError(
                f"{shortened(self.text, 200)}: it reads a list of {most:,} items; map and filter take {LISTED:,} at "
                "most; all and exists take more, and each makes records of them"
            )
        grows = 1 + self.shape.grows
        rounds = min(ROUNDS, (max(most, longest) if self.shape.splits else most) ** self.shape.loops)
        if max(longest * grows ** (self.shape.loops + 1), most * grows) * rounds > BUDGET.characters and grows > 1:
            raise DataError(
                f"{shortened(self.text, 200)}: it could make too much of this record, which holds text of {longest:,} "
                f"characters and a list of {most:,} items; leave + out of the loop"
            )


class Bound(NamedTuple):
    """What expressions read of one record, taken over by the library once for all of them."""

    values: Mapping[str, Any]
    activation: Any


class Expressions:
    """Expressions over the same record. `each`: as for `compiled`."""

    def __init__(self, together: Iterable[Expression], each: bool = False) -> None:
        self._roots: dict[str, Wanted] = {}
        for expression in together:
            merge(self._roots, expression.shape.roots)
        self._environment = _environment(each)

    def bind(self, record: Record, each: Mapping[str, Any] | None = None) -> Bound:
        """What they read, and nothing else. Raises `DataError`."""
        try:
            values = self._values(record, each)
        except RecursionError:
            raise DataError(f"an expression cannot read the record: {_TOO_DEEP}") from None
        try:
            return Bound(values, self._environment.Activation(values))
        except RuntimeError as error:
            cause = _first_line(error)
            raise DataError(f"an expression cannot read the record: {_PLAINER.get(cause, cause)}") from error

    def check_items(self, record: Record, items: int) -> None:
        """Raises `DataError` where reading the record for each of so many items of it takes too long."""
        try:
            read = _weight(self._values(record, dict.fromkeys(OF_EACH)))
        except RecursionError:
            raise DataError(f"an expression cannot read the record: {_TOO_DEEP}") from None
        if read * items > _READ:
            raise DataError(
                f"each: for each of {items:,} items expressions would read {read:,} values anew; what they need of the "
                "whole list compute in a Select before"
            )

    def _values(self, record: Record, each: Mapping[str, Any] | None) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, wanted in self._roots.items():
            if each is not None and name in each:
                source = each[name]
            elif name == "headers":
                source = {header.name: _text(header.value) for header in record.headers}
            else:
                source = getattr(record, name)
            schema = record.value_schema if name == "value" else record.key_schema if name == "key" else None
            values[name] = _picked(source, schema, wanted)
        return values


class Evaluation:
    """One expression by itself."""

    def __init__(self, text: str, each: bool = False) -> None:
        """Raises `WrongExpression`."""
        self.expression = compiled(text, each)
        self.alone = Expressions([self.expression], each)

    def __call__(self, record: Record, each: Mapping[str, Any] | None = None) -> Any:
        """Raises `DataError`."""
        return self.expression.within(self.alone.bind(record, each))


def compiled(text: str, each: bool = False) -> Expression:
    """`each`: the variables `item` and `index` are known too. Raises `WrongExpression`."""
    if len(text) > LENGTH:
        raise WrongExpression(f"is longer than {LENGTH:,} characters")
    variables = VARIABLES + (OF_EACH if each else ())
    try:
        program = _environment(each).compile(text)
    except ImportError as error:
        raise WrongExpression(_MISSING) from error
    except (RuntimeError, UnicodeError) as error:
        raise WrongExpression(_explained(str(error), text, variables)) from error
    found = shape(text, variables)
    if found.loops > LOOPS:
        raise WrongExpression(f"has {found.loops} loops (map, filter, all, exists) within each other; {LOOPS} at most")
    return Expression(text, found, program.return_type().name(), program)


def not_an_expression(result: str = "", each: bool = False) -> Callable[[str | None], str | None]:
    """For `Option.validate`. `result`: the type that it has to have, as BOOL; DYN passes, and is checked per record."""

    def validate(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            made = compiled(text, each)
        except WrongExpression as error:
            return str(error)
        if result and made.result not in (result, "DYN") and not made.result.startswith(f"{result}<"):
            return f"gives {made.result.lower()} and has to give {result.lower()}"
        return None

    return validate


@cache
def _environment(each: bool) -> Any:
    """Raises `ImportError`."""
    from cel_expr_python import cel

    variables = dict.fromkeys(VARIABLES + (OF_EACH if each else ()), cel.Type.DYN)
    variables["topic"] = cel.Type.STRING
    return cel.NewEnv(variables=variables, functions=functions(cel))


def _explained(message: str, expression: str, variables: tuple[str, ...]) -> str:
    found = [(int(line), int(column), _NOISE.sub("", text)) for line, column, text in _ERROR.findall(message)]
    if not found:
        return f"is no expression: {_NOISE.sub('', _first_line(message))}"
    line, column, text = min(found)
    text = _EXPECTED.sub("", text)
    where = "" if line < 1 else f"column {column}" if line == 1 else f"line {line}, column {column}"
    hint = ""
    if "undeclared reference" in text and expression.splitlines()[line - 1][column - 1 : column] == "(":
        hint = "; there is no such function"
    elif undeclared := re.search(r"undeclared reference to '(\w+)", text):
        near = difflib.get_close_matches(undeclared[1], variables, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(variables)}"
    elif "token recognition error" in text or re.search(r"no viable alternative at input '\.", text):
        hint = "; CEL reserves some words, and its names have the letters a to z, digits and _: write value['name']"
    elif "'_?_:_'" in text:
        hint = "; both sides must be of one type, and dyn(…) is of any"
    elif "no matching overload" in text and "int" in text and "double" in text:
        hint = "; whole numbers and others do not mix: write 2.0, or double(…)"
    return f"is no expression: {where + ': ' if where else ''}{text}{hint}"


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]


def _picked(source: Any, schema: Schema | None, wanted: Mapping[str, Any] | None) -> Any:
    """`wanted`: names within `source` that are read, each with those within it; None: all of it."""
    if wanted is None or not isinstance(source, dict):
        return _bindable(source)
    picked = {}
    for name, inner in wanted.items():
        of_field = None if schema is None else schema.get(name)
        if name in source:
            picked[name] = _picked(source[name], of_field, inner)
        elif of_field is not None:
            picked[name] = None  # a field of a struct that is absent is null
    return picked


def _bindable(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        if "\0" in value:  # the library would take what stands before it
            raise DataError("a text holds the character NUL, and an expression cannot read it")
        return value
    if kind is bytes:
        return bytearray(value)  # of bytes the library takes what stands before the first 0
    if kind is dict:
        return {_bindable(key): _bindable(item) for key, item in value.items()}
    if kind is list:
        return [_bindable(item) for item in value]
    if kind is Decimal:
        return _number(value)
    if kind is int and not -_INT64 <= value < _INT64:
        raise DataError("a number beyond 64 bits is too large for an expression; a copied field keeps every digit")
    return value


def _number(value: Decimal) -> int | float:
    """CEL knows no decimals: a double where it is the same number, and never another one without a word."""
    if not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if value == value.to_integral_value() and abs(value) < _INT64 and value.as_tuple().exponent == 0:
        return int(value)
    made = float(value)
    if len(value.normalize().as_tuple().digits) > _DIGITS or Decimal(repr(made)) != value:
        text = shortened(str(value), 60)
        raise DataError(f"the decimal {text} is no exact number for an expression; a copied field keeps every digit")
    return made


def _text(value: Any) -> Any:
    """A header as it lies on the log is bytes: text where they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _extent(value: Any) -> tuple[int, int]:
    """The longest text and the longest list or map within."""
    if isinstance(value, str | bytes):
        return len(value), 1
    if not isinstance(value, dict | list):
        return 20, 1  # as text
    items = list(value.values()) if isinstance(value, dict) else value
    within = [_extent(item) for item in items]
    return max((text for text, _ in within), default=1), max([len(items), *(most for _, most in within)])


def _weight(value: Any) -> int:
    """How many values there are within, itself counted; a text as its length has it."""
    if isinstance(value, dict):
        return 1 + sum(map(_weight, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_weight, value))
    return 1 + len(value) // 64 if isinstance(value, str | bytes | bytearray) else 1


def _plain(result: Any) -> Any:
    # The library's value() of a null takes a reference to None that it does not have: Python ends when none is left.
    if result.type() == _null():
        return None
    value = result.value()
    if isinstance(value, int) and value >= _INT64:
        raise _Failed(f"the result {value} is beyond 64 bits with a sign; make text of it: string(…)")
    if isinstance(value, bool | int | float | datetime):
        return value
    if isinstance(value, str):
        if result.type().name() == "ERROR":
            raise _Failed(value)
        BUDGET.spend(len(value))
        return value
    if isinstance(value, bytearray | bytes):
        BUDGET.spend(len(value))
        return bytes(value)
    if isinstance(value, list):
        BUDGET.spend_list(len(value))
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        BUDGET.spend_list(len(value))
        return {key: _plain(item) for key, item in value.items()}
    kind = "duration" if isinstance(value, timedelta) else str(result.type().name()).lower()
    raise _Failed(f"the result is of the type {kind}; make text or a number of it")


@cache
def _null() -> Any:
    from cel_expr_python import cel

    return cel.Type.NULL
