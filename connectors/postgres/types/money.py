"""`money`: text in the currency format of the database's lc_monetary, e.g. $1,234.56 or 1.234,56 €.

Source: io.debezium.connector.postgresql.PostgresValueConverter.convertMoney of Debezium 3.7; cash_out of PostgreSQL.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from headwater.worker.api import Type, decimal, primitive

from .column_type import ColumnType
from .modes import ValueModes
from .number import EXACT

_AMOUNT = re.compile(r"\d(?:.*\d)?", re.DOTALL)
_SEPARATOR = re.compile(r"\D+")


def amount(text: bytes) -> Decimal:
    """The number in a formatted amount. The last separator is the decimal point if two digits follow it, or if
    another separator stands before it; the three digits after a lone separator are thousands."""
    shown = text.decode()
    found = _AMOUNT.search(shown)
    if found is None:
        raise ValueError("holds no digits")
    digits = found.group()
    separators = _SEPARATOR.findall(digits)
    fraction = 0
    if separators:
        after = len(digits) - digits.rindex(separators[-1]) - len(separators[-1])
        if after == 2 or (len(separators) > 1 and separators[-1] not in separators[:-1]):
            fraction = after
    negative = "-" in shown[: found.start()] or "-" in shown[found.end() :] or "(" in shown[: found.start()]
    number = int(_SEPARATOR.sub("", digits))
    return Decimal(-number if negative else number).scaleb(-fraction, EXACT)


def money(modes: ValueModes) -> ColumnType:
    digits = modes.money_fraction_digits
    step = Decimal((0, (1,), -digits))
    if modes.decimal == "double":
        return ColumnType(primitive(Type.FLOAT64), lambda text: float(amount(text)))
    if modes.decimal == "string":
        return ColumnType(primitive(Type.STRING), lambda text: str(amount(text)))
    return ColumnType(decimal(digits), lambda text: amount(text).quantize(step, ROUND_HALF_UP, EXACT))
