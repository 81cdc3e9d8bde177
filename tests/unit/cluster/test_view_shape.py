from __future__ import annotations

from dataclasses import replace

from headwater.worker.cluster.view_shape import shape_differences
from headwater.worker.cluster.view_state import GenerationState, Job, ViewState, config_checksum

OLD = {"name": "view", "topics": "a", "transforms": "unwrap", "transforms.unwrap.type": "ExtractNewRecordState"}
NEW = {**OLD, "transforms": "unwrap, slim", "transforms.slim.type": "ReplaceField$Value"}
REBUILT = ViewState("view", 2, 3, {2: GenerationState(NEW, "live", 0)}, replaced=(config_checksum(OLD),))


def test_options_that_shape_rows() -> None:
    assert shape_differences(OLD, NEW) == ["transforms", "transforms.slim.type"]
    same = {**OLD, "batch.size": "7", "tasks.max": "2", "connection.password": "x", "errors.tolerance": "all"}
    assert shape_differences(OLD, same) == []
    wide = {"topics.regex": "a", "primary.key.fields": "id", "field.include.list": "id", "insert.mode": "insert",
            "delete.enabled": "true", "table.name.format": "x", "value.converter.schemas.enable": "false"}  # fmt: skip
    assert shape_differences({}, wide) == sorted(wide)
    search = {"index.name.format": "x", "index.mappings": "{}", "key.ignore": "true", "write.method": "upsert",
              "string.mapping": "text", "text.fields": "a", "data.stream.type": "logs"}  # fmt: skip
    assert shape_differences({}, search) == sorted(search)
    assert shape_differences({}, {"index.settings": "{}", "max.in.flight.requests": "1"}) == []


def test_a_config_that_takes_back_a_rebuild() -> None:
    assert REBUILT.taken_back(OLD) == ["transforms", "transforms.slim.type"]
    assert REBUILT.taken_back({**OLD, "batch.size": "7"}) == ["transforms", "transforms.slim.type"]
    assert REBUILT.taken_back(NEW) == REBUILT.taken_back({**NEW, "batch.size": "7"}) == []


def test_what_a_rebuild_has_replaced_stays_replaced_where_rows_look_alike_too() -> None:
    quick = {**NEW, "batch.size": "1"}
    assert replace(REBUILT, replaced=(config_checksum(quick),)).taken_back(quick) == ["batch.size"]


def test_views_that_no_rebuild_has_changed_and_running_jobs() -> None:
    assert replace(REBUILT, replaced=()).taken_back(OLD) == []
    assert ViewState("view").taken_back(OLD) == []
    assert replace(REBUILT, job=Job("1", "rebuild", "replay", 0, 0)).taken_back(OLD) == []
