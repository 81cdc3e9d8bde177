"""The state machine of a view's jobs. Each stage may be killed at any point and is then run again from the record.

rebuild:  preflight -> create -> replay -> catch_up -> verify -> (ready ->) swap
rollback: refresh -> swap            verify: compare
Each of them may go to give_up, which leaves the old generation serving and nothing of the new one behind.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from headwater.worker.api import Fenced, HeadwaterError, Retriable, TopicPartition
from headwater.worker.cluster.view_state import GenerationState
from headwater.worker.log.contract import LogError
from headwater.worker.runtime.errors import Backoff, Interrupted

from .pinning import behind, ends, wait_until
from .preflight import examine
from .samples import newest_samples
from .source_check import verify_source
from .swap import KEEP_MS, adopt_target, drop_what_is_over, is_current, swap
from .verify import verify_generation
from .work import Aborted, Refused, Work, now_ms

log_lines = logging.getLogger(__name__)

BARRIER_LAG: Final = 5_000
"""A generation that is at most so many records behind goes to the barrier: a halt of a moment brings it there."""
TOMBSTONES_MS: Final = 7 * 24 * 3600 * 1000
"""`delete.retention.ms` of a topic that does not say."""
_START_MS: Final = 15_000
_UNEXPECTED: Final = 3
"""How often a stage is run again after an error that nobody foresaw."""
_AFRESH: Final = 2
"""How often a replay that took too long is begun again."""


def preflight(work: Work) -> None:
    adopt_target(work)
    current = work.state.current
    new, old = work.pipeline_of_config(), work.pipeline(current)
    work.progress()
    plan = examine(work, new, old)
    if work.option("dry_run", False):
        work.take_note(plan=plan.document())
        work.finish("failed" if plan.errors else "done", plan.errors)
        return
    if plan.errors:
        work.take_note(plan=plan.document())
        raise Refused(*plan.errors)
    number = max([work.state.next_generation, *(info.number + 1 for info in new.generations.list())])
    state = replace(work.state, next_generation=number + 1)
    work.move("create", state, {"plan": plan.document()}, generation=number, instead_of=current)


def create(work: Work) -> None:
    number = work.number
    pipeline = work.pipeline(number)
    work.progress()
    samples = {topic: sample.record for topic, sample in newest_samples(work.log, pipeline).items()}
    pipeline.generations.create(number, samples)
    config = work.job.config or work.config_of(work.state.current)
    built = GenerationState(dict(config), "building", now_ms())
    until = {str(tp): offset for tp, offset in ends(work, number).items()}
    work.move("replay", work.state.with_generation(number, built), {"replay_until": until, "replay_since_ms": now_ms()})


def replay(work: Work) -> None:
    number = work.number
    until = _offsets(work.note("replay_until", {}))
    begins = work.log.begin_offsets(list(until))
    total = sum(max(0, end - begins[tp]) for tp, end in until.items())
    while missing := sum(behind(work.reached(number), until, begins).values()):
        _stop_at_failure(work, number)
        if now_ms() - int(work.note("replay_since_ms")) > _tombstones_ms(work, number):
            _start_afresh(work, number)
            return
        work.progress(total - missing, total, detail=_asleep(work, number))
        work.wait()
    work.progress(total, total, detail="building indexes")
    work.pipeline(number).generations.finish_load(number)
    seconds = (now_ms() - int(work.note("replay_since_ms"))) / 1000
    work.move("catch_up", notes={"rows_replayed": total, "replay_s": seconds})


def catch_up(work: Work) -> None:
    number = work.number
    while True:
        until = ends(work, number)
        lag = sum(behind(work.reached(number), until, work.log.begin_offsets(list(until))).values())
        if lag <= int(work.option("barrier_lag", BARRIER_LAG)):
            break
        _stop_at_failure(work, number)
        work.progress(detail=f"{lag} records behind the log")
        work.wait()
    work.move("verify")


def verify(work: Work) -> None:
    number = work.number
    result = verify_generation(work, number, work.job.instead_of)
    work.take_note(result=result)
    _demand_equal(result)
    errors = [f for f in work.pipeline(number).generations.compare_source(number) if f.level == "error"]
    if errors:
        raise Refused(*(f"{finding.subject}: {finding.message}" for finding in errors))
    work.move("ready" if work.option("promote") == "manual" else "swap")


def ready(work: Work) -> None:
    """Wait until a user says promote; the generation follows the log meanwhile."""
    while work.wish() != "promote":
        _stop_at_failure(work, work.number)
        work.progress(detail=f"generation {work.number} follows the log")
        work.wait(1.0)
    work.move("swap")


def refresh(work: Work) -> None:
    """Before a rollback: the kept generation must hold all that the live one holds."""
    adopt_target(work)
    number, current = work.number, work.state.current
    generation = work.generation_state(number)
    if number == current or is_current(work, number):
        work.move("swap")
        return
    if generation is None or generation.phase != "kept":
        raise Refused(f"generation {number} is not kept any more")
    if number not in {info.number for info in work.pipeline(number).generations.list()}:
        raise Refused(f"generation {number} is gone from the target: it was dropped by somebody else")
    if failure := work.tasks.failure(work.view, number):
        raise Refused(f"generation {number} has failed and is out of date: {failure}")
    live = work.reached(current)
    read = set(work.pipeline(number).partitions(work.log))
    wait_until(work, number, {tp: o for tp, o in live.items() if tp in read}, f"generation {number} catches up")
    work.move("swap", instead_of=current)


def compare_live(work: Work) -> None:
    adopt_target(work)
    number = work.state.current
    result = verify_source(work, number) if work.option("source", False) else verify_generation(work, number)
    work.take_note(result=result)
    _demand_equal(result)
    work.finish("done", [])


def give_up(work: Work) -> None:
    """The old generation goes on serving. What the job has made is dropped, or kept stopped for inspection."""
    number, state = work.job.generation, work.state
    if work.job.kind != "verify" and number is not None and is_current(work, number):
        work.move("swap")  # the target has already made the swap: all that is left is to say so
        return
    if work.job.kind == "rebuild" and number is not None:
        config = work.config_of(number)
        made = state.generations.get(number) or GenerationState(dict(config), "dropping", now_ms())
        inspect = work.option("keep_failed", False) and work.note("outcome") == "failed" and number in state.generations
        until = now_ms() + int(work.option("keep_ms", KEEP_MS))
        left = replace(made, phase="failed", keep_until_ms=until) if inspect else replace(made, phase="dropping")
        state = state.with_generation(number, left)
    work.finish(work.note("outcome"), work.note("reasons"), state)


STAGES: Final[Mapping[str, Callable[[Work], None]]] = {
    "preflight": preflight,
    "create": create,
    "replay": replay,
    "catch_up": catch_up,
    "verify": verify,
    "ready": ready,
    "refresh": refresh,
    "swap": swap,
    "compare": compare_live,
    "give_up": give_up,
}
FIRST: Final = {"rebuild": "preflight", "verify": "compare", "rollback": "refresh"}


def run(work: Work) -> None:
    """Do the view's job, whatever stage it is in, and drop what is over. Raises `Fenced` where another process does."""
    backoff, unexpected = Backoff(0.5, 30.0), 0
    while work.state.needs_process(now_ms()):
        before = work.state.job and (work.job.id, work.job.stage)
        try:
            if work.state.job is None:
                drop_what_is_over(work)
            else:
                if work.job.stage not in ("swap", "give_up"):
                    work.check()
                STAGES[work.job.stage](work)
        except Fenced:
            raise
        except (Aborted, Interrupted):
            work.move("give_up", notes={"outcome": "aborted", "reasons": ["a user gave it up"]})
        except (Retriable, LogError) as error:
            _again(work, error, backoff)
        except HeadwaterError as error:
            _fail(work, error, backoff)
        except Exception as error:  # a plugin's bug, or ours: the old generation has to go on serving all the same
            log_lines.exception("stage %s of view %s failed", work.state.job and work.job.stage, work.view)
            unexpected += 1
            if unexpected < _UNEXPECTED:
                _again(work, error, backoff)
            else:
                _fail(work, error, backoff)
        if (work.state.job and (work.job.id, work.job.stage)) != before:
            backoff.reset()
            unexpected = 0


def _again(work: Work, error: Exception, backoff: Backoff) -> None:
    delay = backoff.next()
    said = str(error) or type(error).__name__
    log_lines.warning("view %s: %s; trying again in %.1f s", work.view, said, delay)
    if work.state.job is not None:
        work.progress(detail=f"{said}; trying again in {delay:.0f} s")
    work.reopen()
    time.sleep(delay)


def _fail(work: Work, error: Exception, backoff: Backoff) -> None:
    """Give the job up; a stage that cannot be given up (dropping, giving up itself) is tried again instead."""
    if work.state.job is None or work.job.stage == "give_up":
        _again(work, error, backoff)
        return
    said = error.reasons if isinstance(error, Refused) else [str(error) or type(error).__name__]
    reasons = [work.redact(reason) for reason in said]
    log_lines.warning("stage %s of view %s is given up: %s", work.job.stage, work.view, reasons[0] if reasons else "")
    work.move("give_up", notes={"outcome": "failed", "reasons": reasons})


def _stop_at_failure(work: Work, number: int) -> None:
    if failure := work.tasks.failure(work.view, number):
        raise Refused(f"the tasks of generation {number} have failed: {failure}")


def _asleep(work: Work, number: int) -> str:
    """Its tasks need some seconds to start; if they do not, the user should know."""
    if now_ms() - work.job.stage_since_ms < _START_MS or not work.tasks.stopped(work.view, number):
        return ""
    return f"the tasks of generation {number} do not run: is the connector stopped?"


def _demand_equal(result: Mapping[str, Any]) -> None:
    if not result["equal"]:
        against = {"log": "what the log says", "source": "the source"}[result["against"]]
        raise Refused(f"{result['differences']} rows differ from {against}", *result["examples"])


def _tombstones_ms(work: Work, number: int) -> int:
    """How long the log keeps tombstones, at least: a replay that takes longer might miss deletes."""
    topics = work.pipeline(number).topics(work.log).values()
    return min(
        (int(info.config.get("delete.retention.ms", TOMBSTONES_MS)) for info in topics if info.compacted),
        default=10 * 365 * 24 * 3600 * 1000,
    )


def _start_afresh(work: Work, number: int) -> None:
    """The replay took longer than tombstones are kept: what it has built may hold rows that were deleted since."""
    times = int(work.note("afresh", 0)) + 1
    if times > _AFRESH:
        raise Refused(
            f"the replay took longer than the log keeps tombstones (delete.retention.ms, the least of its topics is "
            f"{_tombstones_ms(work, number)} ms) {times} times: raise that option of the topics, or let the view load "
            "faster"
        )
    log_lines.warning("the replay of view %s took longer than delete.retention.ms; it starts afresh", work.view)
    dropped = replace(work.state.generations[number], phase="dropping")
    state = replace(work.state.with_generation(number, dropped), next_generation=work.state.next_generation + 1)
    work.move("create", state, {"afresh": times}, generation=work.state.next_generation)


def _offsets(document: Mapping[str, int]) -> dict[TopicPartition, int]:
    found = {}
    for name, offset in document.items():
        topic, _, partition = name.rpartition("-")
        found[TopicPartition(topic, int(partition))] = offset
    return found
