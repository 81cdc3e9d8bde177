"""Levels of loggers while the process runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from headwater.worker.observe.log_levels import LogLevels, set_levels


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """The root logger's level is everybody's."""
    known = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    before = {logger: logger.level for logger in known}
    yield
    for logger, level in before.items():
        logger.setLevel(level)


def test_a_level_holds_for_all_below() -> None:
    parent, child = logging.getLogger("levels.one"), logging.getLogger("levels.one.a")
    own, other = logging.getLogger("levels.one.b"), logging.getLogger("levels.oneandtwo")
    own.setLevel(logging.ERROR)
    levels = LogLevels()
    assert levels.set("levels.one", "debug") == ["levels.one", "levels.one.a", "levels.one.b"]
    assert all(logger.isEnabledFor(logging.DEBUG) for logger in (parent, child, own))
    assert other.level == logging.NOTSET and child.level == logging.NOTSET
    shown = levels.all()
    assert shown["levels.one"].level == "DEBUG" and shown["levels.one"].last_modified
    assert "levels.one.a" not in shown and "root" in shown
    assert levels.one("levels.one.a") is not None and levels.one("levels.two") is None
    first = shown["levels.one"]
    levels.set("levels.one", "DEBUG")
    assert levels.all()["levels.one"] == first, "it was so before"


def test_names_and_numbers() -> None:
    levels = LogLevels()
    for name, number in {"TRACE": 5, "WARN": 30, "warning": 30, "Fatal": 50, "OFF": 60}.items():
        levels.set("levels.names", name)
        assert logging.getLogger("levels.names").level == number
    found = levels.one("levels.names")
    assert found is not None and found.level == "OFF"
    with pytest.raises(ValueError, match="invalid log level 'LOUD'"):
        levels.set("levels.names", "LOUD")


def test_other_processes_take_over_what_was_set() -> None:
    levels = LogLevels()
    levels.set("levels.far.below", "TRACE")
    levels.set("root", "ERROR")
    assert levels.changes() == {"root": "ERROR"}
    levels.set("levels.far", "INFO")
    levels.set("levels.far.below", "DEBUG")
    assert list(levels.changes().items()) == [("root", "ERROR"), ("levels.far", "INFO"), ("levels.far.below", "DEBUG")]
    levels.set("levels.far", "WARN")
    assert levels.changes() == {"root": "ERROR", "levels.far": "WARN"}
    logging.getLogger("levels.far").setLevel(logging.NOTSET)
    assert "levels.far.below" in set_levels(levels.changes())
    assert not logging.getLogger("levels.far.below").isEnabledFor(logging.INFO)
    assert logging.getLogger().level == logging.ERROR
