"""Before a rebuild: is the log still enough, can the generation be made, what will change, how long will it take?"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from headwater.worker.api import Finding, HeadwaterError, Record, TopicPartition
from headwater.worker.log.contract import TopicInfo

from .log_reading import read_between
from .samples import Sample, columns_of, difference, newest_samples
from .topic_marks import CompleteMark, complete_marks
from .view_pipeline import ViewPipeline
from .work import Work

_MEASURED: Final = 2_000
"""Records that are run through the new pipeline to guess how long the replay will take."""
_ROWS_PER_S: Final = 40_000.0
"""No replay is guessed to be faster: writing the view costs time too."""


@dataclass(slots=True)
class Plan:
    """What a rebuild would do. `samples` stay in this process; `document` is for the user."""

    findings: list[Finding] = field(default_factory=list)
    samples: dict[str, Sample] = field(default_factory=dict)
    records: int = 0
    eta_s: float | None = None
    topics: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, list[str]] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        return [f"{f.subject}: {f.message}" + (f" ({f.fix})" if f.fix else "") for f in self.findings
                if f.level == "error"]  # fmt: skip

    def sample_records(self) -> dict[str, Record]:
        return {topic: sample.record for topic, sample in self.samples.items()}

    def document(self) -> dict[str, Any]:
        """JSON for the view's record, REST and `--json`."""
        return {
            "findings": [asdict(finding) for finding in self.findings],
            "records": self.records,
            "eta_s": self.eta_s,
            "topics": self.topics,
            "changes": self.changes,
            "config": self.config,
        }


def examine(work: Work, new: ViewPipeline, old: ViewPipeline) -> Plan:
    """Everything that can be known without writing. Raises `Retriable` where a server cannot be asked."""
    plan = Plan()
    topics = new.topics(work.log)
    _look_at_topics(work, plan, new, topics)
    plan.config = _config_changes(work)
    if not topics:
        return plan
    try:
        plan.samples = newest_samples(work.log, new)
    except HeadwaterError as error:
        plan.findings.append(Finding("error", "transforms", str(error)))
        return plan
    if not plan.samples:
        message = "none of the topics holds a record that makes a row of the view yet"
        plan.findings.append(Finding("error", "topics", message))
        return plan
    _look_at_target(plan, new, old)
    if not plan.errors:  # else there is no view that the rest could be asked of
        _look_at_changes(work, plan, old)
        plan.eta_s = _guess(work, plan, new)
    return plan


def _look_at_topics(work: Work, plan: Plan, new: ViewPipeline, topics: dict[str, TopicInfo]) -> None:
    missing = sorted(set(new.plan.topics) - set(topics))
    if missing or not topics:
        wanted = ", ".join(missing) or f"topics that match {new.plan.topics_regex and new.plan.topics_regex.pattern}"
        if topics:
            plan.findings.append(Finding("warning", "topics", f"{wanted}: not there, left out"))
        else:
            plan.findings.append(Finding("error", "topics", f"{wanted}: not there; there is nothing to rebuild from"))
    marks = complete_marks(work.log, work.topics)
    for name, info in sorted(topics.items()):
        places = [TopicPartition(name, number) for number in range(info.partitions)]
        begins, ends = work.log.begin_offsets(places), work.log.end_offsets(places)
        records = sum(ends[tp] - begins[tp] for tp in places)
        plan.records += records
        plan.topics[name] = {"partitions": info.partitions, "records": records, "compacted": info.compacted}
        plan.findings.append(still_enough(info, any(begins.values()), marks.get(name), new.generations.every_record))


def still_enough(info: TopicInfo, begins_later: bool, mark: CompleteMark | None, every_record: bool = False) -> Finding:
    """Does the topic still hold what the view needs? `begins_later`: offset 0 of a partition is gone. `every_record`:
    the newest of each key is not enough."""
    policy = info.config.get("cleanup.policy", "delete")
    if every_record and info.compacted:
        return Finding(
            "error",
            info.name,
            f"compaction (cleanup.policy={policy}) removes records whose key has a newer one: a rebuilt change log "
            "would lack rows that the live one has",
            "set cleanup.policy=delete, retention.ms=-1 and retention.bytes=-1 before the topic is filled, or rebuild "
            "the view as a latest state",
        )
    deletes = "delete" in policy
    if deletes and begins_later:
        return Finding(
            "error",
            info.name,
            f"retention (cleanup.policy={policy}) has deleted its oldest records: a rebuilt view would lack rows",
            "set retention.ms=-1 and retention.bytes=-1 and let the source take a new snapshot",
        )
    if mark is None:
        return Finding(
            "warning",
            info.name,
            "no source of Headwater says that it holds a complete snapshot (yet); what lies on it is replayed",
            "if its source is taking its first snapshot, wait until that is done",
        )
    limited = info.config.get("retention.ms", "-1") != "-1" or info.config.get("retention.bytes", "-1") != "-1"
    if deletes and limited:
        return Finding(
            "warning",
            info.name,
            "complete now, but retention will delete its oldest records, and then no view can be rebuilt from it",
            "set retention.ms=-1 and retention.bytes=-1",
        )
    return Finding("ok", info.name, f"complete as of version {mark.version}, from {mark.connector}")


def _config_changes(work: Work) -> dict[str, list[str]]:
    """Options that the new config says otherwise; names alone, for values may be secret."""
    old, new = work.config_of(work.state.current), work.job.config or {}
    lists = {
        "added": sorted(set(new) - set(old)),
        "dropped": sorted(set(old) - set(new)),
        "changed": sorted(n for n in new if n in old and new[n] != old[n]),
    }
    return {name: options for name, options in lists.items() if options}


def _look_at_target(plan: Plan, new: ViewPipeline, old: ViewPipeline) -> None:
    if type(new.plan.connector) is not type(old.plan.connector):
        message = "the new config has another connector.class: readers could not be swapped over atomically"
        plan.findings.append(Finding("error", "connector.class", message, "run it as a connector of another name"))
        return
    if reason := getattr(old.generations, "rows_of_others", ""):
        fix = "run the new config as a connector of another name, with a target of its own"
        plan.findings.append(
            Finding("error", "target", f"the swap would take away what is not the view's: {reason}", fix)
        )
        return
    ours, theirs = ({i.number for i in p.generations.list()} for p in (new, old))
    if theirs - ours:
        message = "the new config leads to another target than the one that the view lives in"
        plan.findings.append(Finding("error", "target", message, "run it as a connector of another name"))
        return
    plan.findings += new.generations.preflight(plan.sample_records())


def _look_at_changes(work: Work, plan: Plan, old: ViewPipeline) -> None:
    """The shape of each topic's rows now and then, by log topic."""
    for topic, sample in sorted(plan.samples.items()):
        try:
            before = old.records([sample.message])
        except HeadwaterError as error:
            plan.findings.append(Finding("warning", topic, f"the live config fails on its newest record: {error}"))
            continue
        was = columns_of(before[0]) if before else {}
        change: dict[str, Any] = dict(difference(was, columns_of(sample.record)))
        if before and before[0].topic != topic:
            change["was"] = before[0].topic
        if change:
            plan.changes[topic] = change


def _guess(work: Work, plan: Plan, new: ViewPipeline) -> float | None:
    """Seconds, from how fast some records go through the pipeline and the fold's side of the view."""
    busiest = max(plan.topics, key=lambda name: int(plan.topics[name]["records"]))
    places = [TopicPartition(busiest, number) for number in range(int(plan.topics[busiest]["partitions"]))]
    begins, ends = work.log.begin_offsets(places), work.log.end_offsets(places)
    share = max(1, _MEASURED // len(places))
    until = {tp: min(ends[tp], begins[tp] + share) for tp in places}
    started, measured = time.perf_counter(), 0
    try:
        with new.expectation() as expect:
            for messages in read_between(work.log, begins, until):
                measured += len(messages)
                deque(expect(messages), maxlen=0)
    except HeadwaterError as error:
        plan.findings.append(Finding("error", busiest, f"its records do not go through the new config: {error}"))
    elapsed = time.perf_counter() - started
    if not measured or elapsed <= 0:
        return None
    return round(plan.records / min(_ROWS_PER_S, measured / elapsed), 1)
