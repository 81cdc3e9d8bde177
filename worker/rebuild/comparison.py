"""A view against what it should be, or against another generation of it: counts, checksums, the keys that differ."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from headwater.worker.api import Fingerprint, Reader

from .fold import Fold

EXAMPLES: Final = 20
"""Differing rows that are listed; all are counted."""

Kind = Literal["missing", "extra", "different"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row. `shown`: the view's row in readable form; "" where the view has none."""

    kind: Kind
    part: str
    key: str
    shown: str = ""

    def __str__(self) -> str:
        what = {"missing": "is missing in the view", "extra": "should not be there", "different": "differs"}[self.kind]
        return f"{self.part}: row {self.key} {what}" + (f": {self.shown}" if self.shown else "")


@dataclass(slots=True)
class Comparison:
    """`expected`, `found`: rows by part. `unsettled`: rows left out of which the log no longer tells what they should
    be, because compaction has taken a record: their key has changed after the point of comparison, their newest record
    leaves out a large value, or they are rows of a change log.
    `left_out`: parts that were not compared."""

    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    differences: int = 0
    examples: list[Difference] = field(default_factory=list)
    unsettled: int = 0
    checksums: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return self.differences == 0

    def document(self, reveals: bool = False) -> dict[str, Any]:
        """JSON for the view's record, REST and `--json`. `reveals`: of rows the keys alone, since the view's record
        lies on the log, which is to hide what they hold."""
        examples = [replace(one, shown="") for one in self.examples] if reveals else self.examples
        return {
            "equal": self.equal,
            "expected": self.expected,
            "found": self.found,
            "differences": self.differences,
            "unsettled": self.unsettled,
            "examples": [str(example) for example in examples],
            "checksums": self.checksums,
            "left_out": self.left_out,
        }


Touched = Callable[[], Container[tuple[str, bytes]]]
"""Gives the rows (part, key) that are not to be compared, because records after the point of comparison touch them or
compaction has taken one of their values; asked for only where rows differ."""


def compare(
    fold: Fold, reader: Reader, touched: Touched, left_out: Container[str] = (), forgotten: bool = False
) -> Comparison:
    """The rows that the fold expects against those that the reader sees, but for the parts in `left_out`.

    `forgotten`: the log has lost records of which the view rightly has rows: rows that it cannot explain do not count,
    nor other rows where the first record of a key is the row: it is the one that was lost.
    """
    expected, found = _without(fold.fingerprint(), left_out), _without(reader.fingerprint(), left_out)
    result = Comparison(_counts(expected), _counts(found))
    settled: Container[tuple[str, bytes]] | None = None
    for part in sorted({*expected, *found}):
        result.checksums[part] = f"{sum(f.checksum for f in found.get(part, ())) % (1 << 128):032x}"
        buckets = differing(expected.get(part), found.get(part))
        if not buckets:
            continue
        if settled is None:
            settled = touched()
        unknown = "every" if forgotten and fold.first_counts else "extra" if forgotten else ""
        _list_rows(result, part, dict(fold.rows(part, buckets)), reader.rows(part, buckets), settled, unknown)
    return result


def _list_rows(
    result: Comparison,
    part: str,
    expected: dict[bytes, int],
    rows: Iterable[tuple[bytes, int, str]],
    later: Container[tuple[str, bytes]],
    unknown: str,
) -> None:
    """`unknown`: which differences the log cannot judge: of "extra" rows, of "every" row of the view, "" of none."""
    for key, digest, shown in rows:
        wanted = expected.pop(key, None)
        if wanted != digest and (unknown == "every" or (unknown == "extra" and wanted is None)):
            result.unsettled += 1
        elif wanted != digest:
            _note(result, "extra" if wanted is None else "different", part, key, shown, later)
    for key in expected:
        _note(result, "missing", part, key, "", later)


def _note(
    result: Comparison, kind: Kind, part: str, key: bytes, shown: str, later: Container[tuple[str, bytes]]
) -> None:
    if (part, key) in later:
        result.unsettled += 1
        return
    result.differences += 1
    if len(result.examples) < EXAMPLES:
        result.examples.append(Difference(kind, part, readable(key), shown[:500]))


def differing(one: list[Fingerprint] | None, other: list[Fingerprint] | None) -> list[int]:
    """Buckets whose fingerprints are not the same; None is a part without rows."""
    longest = max(len(one or ()), len(other or ()))
    ours, theirs = one or [Fingerprint()] * longest, other or [Fingerprint()] * longest
    return [number for number in range(longest) if ours[number] != theirs[number]]


def _without(fingerprints: Mapping[str, list[Fingerprint]], parts: Container[str]) -> dict[str, list[Fingerprint]]:
    return {part: buckets for part, buckets in fingerprints.items() if part not in parts}


def _counts(fingerprints: Mapping[str, list[Fingerprint]]) -> dict[str, int]:
    return {part: sum(f.rows for f in buckets) for part, buckets in sorted(fingerprints.items())}


def compare_keys(new: Reader, old: Reader) -> list[str]:
    """Where two generations do not hold the same number of rows: sentences with some of the keys; [] = nowhere.

    Rows alone are counted, per part and bucket: the columns of another config may rightly differ.
    """
    ours, theirs = new.fingerprint(), old.fingerprint()
    said: list[str] = []
    for part in sorted({*ours, *theirs}):
        if part not in ours or part not in theirs:
            said.append(f"{part}: only the {'old' if part in theirs else 'new'} generation has it")
            continue
        buckets = [n for n, (a, b) in enumerate(zip(ours[part], theirs[part], strict=True)) if a.rows != b.rows]
        if buckets:
            said.append(_keys_apart(part, new, old, buckets))
    return said


def _keys_apart(part: str, new: Reader, old: Reader, buckets: list[int]) -> str:
    ours = {key for key, _, _ in new.rows(part, buckets)}
    theirs = {key for key, _, _ in old.rows(part, buckets)}
    pieces = [
        f"{len(keys)} rows only in the {name} one, e.g. {', '.join(readable(k) for k in sorted(keys)[:3])}"
        for name, keys in (("new", ours - theirs), ("old", theirs - ours))
        if keys
    ]
    return f"{part}: " + "; ".join(pieces)


def readable(key: bytes) -> str:
    text = key.decode("utf-8", errors="backslashreplace")
    return text if len(text) <= 200 else text[:200] + "…"
