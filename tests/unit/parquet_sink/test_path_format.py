from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from headwater.connectors.parquet.sink.path_format import folder_of, format_problem

MOMENT_MS = 1_767_312_245_678  # 2026-01-02T00:04:05.678Z


@pytest.mark.parametrize(
    ("path_format", "folder"),
    [
        ("'dt'=YYYY-MM-dd/'hour'=HH", "dt=2026-01-02/hour=00"),
        ("'year'=yyyy/'month'=MM/'day'=dd", "year=2026/month=01/day=02"),
        ("YYYY/MM/dd/HH/mm", "2026/01/02/00/04"),
        ("'plain'", "plain"),
    ],
)
def test_folders(path_format: str, folder: str) -> None:
    assert format_problem(path_format) is None
    assert folder_of(path_format, UTC, MOMENT_MS) == folder


def test_zones_and_old_times() -> None:
    assert folder_of("YYYY-MM-dd HH", ZoneInfo("America/New_York"), MOMENT_MS) == "2026-01-01 19"
    assert folder_of("YYYY", UTC, -62_000_000_000_000) == "0005"
    with pytest.raises(OverflowError):
        folder_of("YYYY", UTC, 10**15)


@pytest.mark.parametrize(
    "path_format", ["", "YYYY/WW", "'open", "/YYYY", "YYYY//MM", "YYYY/", "'..'/YYYY", "year=YYYY"]
)
def test_what_is_refused(path_format: str) -> None:
    assert format_problem(path_format)
