"""A predicate that fails for one number."""

from __future__ import annotations

from headwater.worker.api import DataError, Option, Options, OptionType, Predicate, Record, Values


class Choosy(Predicate):
    options = Options(Option("at", OptionType.INT))

    def configure(self, values: Values) -> None:
        self._at = values["at"]

    def test(self, record: Record) -> bool:
        if record.value["n"] == self._at:
            raise DataError(f"{self._at} cannot be told")
        return True
