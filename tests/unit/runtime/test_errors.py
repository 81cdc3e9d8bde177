from __future__ import annotations

import logging

import pytest

from headwater.worker.api import DataError, Fatal, Fenced, Retriable, Unavailable
from headwater.worker.config.policies import ErrorPolicy
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.errors import Backoff, Interrupted, RecordErrors, Where, reason_of

WHERE = Where("VALUE_CONVERTER", "some.Converter", "orders-0@7", "key 1, value Anna")


def errors(metrics: TaskMetrics, stop: bool = False, **policy: object) -> RecordErrors:
    return RecordErrors(ErrorPolicy(**policy), metrics, lambda seconds: stop)  # type: ignore[arg-type]


def test_without_tolerance_the_task_fails_and_says_what_to_do() -> None:
    with pytest.raises(Fatal, match=r"orders-0@7 failed in VALUE_CONVERTER .*errors.tolerance=all"):
        errors(TaskMetrics()).failed(DataError("no number"), WHERE, None)


def test_tolerated_records_are_counted() -> None:
    metrics = TaskMetrics()
    letters: list[Exception] = []
    handler = errors(metrics, tolerance="all")
    handler.failed(DataError("a"), WHERE, None)
    handler.failed(ValueError("b"), WHERE, lambda where, error: letters.append(error))
    assert (metrics.errors, metrics.records_skipped, metrics.records_dead_lettered) == (2, 1, 1)
    assert [str(e) for e in letters] == ["b"]


def test_a_fence_is_never_tolerated() -> None:
    with pytest.raises(Fenced):
        errors(TaskMetrics(), tolerance="all").failed(Fenced("taken over"), WHERE, None)


def test_a_task_that_cannot_go_on_is_never_tolerated() -> None:
    with pytest.raises(Fatal, match=r"^wrong password$"):
        errors(TaskMetrics(), tolerance="all").failed(Fatal("wrong password"), WHERE, None)


def test_an_outage_is_waited_for_and_skips_nothing() -> None:
    outage = Unavailable("the registry does not answer", 0.001)
    left = iter([outage] * 50)

    def work() -> str:
        for error in left:
            raise error
        return "done"

    assert errors(TaskMetrics(), tolerance="all").again(work, outage, lambda: WHERE) == "done"
    handler = errors(TaskMetrics(), tolerance="all", retry_timeout_ms=1)
    with pytest.raises(Unavailable) as caught:
        handler.again(lambda: (_ for _ in ()).throw(outage), Unavailable("again", 1.0), lambda: WHERE)
    letters: list[Exception] = []
    with pytest.raises(Fatal, match=r"does not answer\. The task stops; nothing is skipped"):
        handler.failed(outage, WHERE, lambda where, error: letters.append(error))
    assert caught.value.after_s == 1.0 and letters == []


@pytest.mark.parametrize("include", [False, True])
def test_errors_are_logged_where_asked_for(caplog: pytest.LogCaptureFixture, include: bool) -> None:
    handler = errors(TaskMetrics(), tolerance="all", log_enable=True, log_include_messages=include)
    with caplog.at_level(logging.ERROR):
        handler.failed(DataError("no number"), WHERE, None)
    assert "record orders-0@7 failed" in caplog.text
    assert ("Anna" in caplog.text) == include


def test_a_retriable_stage_is_tried_again() -> None:
    metrics = TaskMetrics()
    answers = iter([Retriable("still down"), "done"])

    def work() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    handler = errors(metrics, retry_timeout_ms=60_000)
    assert handler.again(work, Retriable("down"), lambda: WHERE) == "done"
    assert metrics.retries == 2


def test_without_retry_timeout_the_first_error_counts() -> None:
    with pytest.raises(Retriable):
        errors(TaskMetrics()).again(lambda: "never", Retriable("down"), lambda: WHERE)


def test_other_errors_are_not_tried_again() -> None:
    with pytest.raises(DataError):
        errors(TaskMetrics(), retry_timeout_ms=-1).again(lambda: "never", DataError("bad"), lambda: WHERE)


def test_a_stop_ends_the_waiting() -> None:
    with pytest.raises(Interrupted):
        errors(TaskMetrics(), True, retry_timeout_ms=-1).again(lambda: "never", Retriable("down"), lambda: WHERE)


def test_backoff_doubles_up_to_its_limit() -> None:
    backoff = Backoff(1.0, 8.0)
    delays = [backoff.next() for _ in range(6)]
    for delay, most in zip(delays, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.75 * most <= delay <= most
    backoff.reset()
    assert backoff.next() <= 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Fatal("the server is another one"), "the server is another one"),
        (KeyError("topics"), "KeyError: 'topics'"),
        (NotImplementedError(), "NotImplementedError"),
        (Fatal(), "Fatal"),
    ],
)
def test_why_a_task_has_failed_is_never_a_bare_word(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
