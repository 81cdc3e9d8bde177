"""The options of a worker: its log, its topics, its REST listener, how it looks after tasks.

Names and meanings: `DistributedConfig` and `StandaloneConfig` of Kafka Connect 4.3.1; ours are in group "Headwater".
Settings that only a Kafka client understands are taken by name and handed on to every client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from headwater.worker.api import ConfigError, Option, Options, OptionType, Problem, Unsupported, Values, at_least

from .client_overrides import ALLOWLIST, POLICIES, POLICY
from .connector_options import ONE_VERSION, plain_name
from .group_options import GROUP
from .own_client_options import OWN_CLIENTS
from .plan import DEFAULT_CONVERTER
from .rest_options import REST
from .signing_options import SIGNING

_BOOLEAN, _INT, _LIST, _LONG, _PASSWORD = (
    OptionType.BOOLEAN, OptionType.INT, OptionType.LIST, OptionType.LONG, OptionType.PASSWORD,
)  # fmt: skip
_JVM: Final = "Headwater does not run in a Java virtual machine"
_SECRETS: Final = (
    r"(.+\.)?(sasl\.jaas\.config|ssl\.key\.password|ssl\.keystore\.(key|password|certificate\.chain)|"
    r"ssl\.truststore\.(password|certificates)|sasl\.password|ssl\.key\.pem|"
    r"sasl\.oauthbearer\.(client\.credentials\.client\.secret|assertion\.private\.key\.passphrase))"
)
_CLIENT: Final = (  # first words of the names of Kafka clients' settings
    "producer", "consumer", "admin", "client", "connections", "metadata", "receive", "reconnect", "request", "retry",
    "sasl", "security", "send", "socket", "ssl",
)  # fmt: skip
_TOPIC_SETTING: Final = (  # `cleanup.policy` is not among them: it is compact
    r"(config|offset|status)\.storage\.(preallocate|"
    r"(compression|delete|file|flush|index|local|max|message|min|remote|retention|segment|unclean)\..+)"
)


def _internal_topic(name: str, default: str, doc: str) -> tuple[Option, ...]:
    return (
        Option(f"{name}.topic", default=default, validate=plain_name, doc=doc, group="Internal topics"),
        Option(f"{name}.replication.factor", _INT, 3, "Replicas of that topic on Kafka; -1: the broker's default.",
               importance="low", group="Internal topics"),
    )  # fmt: skip


def _partitions(name: str, default: int) -> Option:
    return Option(f"{name}.partitions", _INT, default, "Partitions of that topic where Headwater makes it.",
                  validate=at_least(1), importance="low", group="Internal topics")  # fmt: skip


WORKER_OPTIONS: Final = Options(
    Option("bootstrap.servers", _LIST, (), "Kafka's brokers, host:port. None: the embedded log in the data directory.",
           importance="high", group="Log"),
    Option("group.id", default="headwater", validate=plain_name, importance="high", group="Log",
           doc="Names the cluster that this worker belongs to; part of the transactional ids of its tasks."),
    *GROUP,
    *_internal_topic("config.storage", "connect-configs", "Connectors and their target states."),
    *_internal_topic("offset.storage", "connect-offsets", "Positions of sources."),
    _partitions("offset.storage", 25),
    *_internal_topic("status.storage", "connect-status", "States of connectors and tasks."),
    _partitions("status.storage", 5),
    Option(_TOPIC_SETTING, doc="A setting of that topic where Headwater makes it, by the topic's own name: "
           "`config.storage.max.message.bytes`, `offset.storage.min.insync.replicas`.", pattern=True, importance="low",
           group="Internal topics"),
    Option("offset.flush.interval.ms", _LONG, 60_000, "Sinks flush and commit at least this often, ms; sources without "
           "exactly once store their positions as often.", validate=at_least(1), group="Tasks"),
    Option("offset.flush.timeout.ms", _LONG, 5_000, "Kafka Connect's limit for storing positions, ms.",
           validate=at_least(1), importance="low", group="Tasks"),
    Option("task.shutdown.graceful.timeout.ms", _LONG, 5_000, "Time for a task to flush and end before its process is "
           "killed, ms. Nothing is lost by that.", validate=at_least(0), group="Tasks"),
    Option("exactly.once.source.support", default="enabled", choices=("enabled", "preparing", "disabled"),
           group="Tasks", doc="`disabled`: sources are at least once."),
    Option("key.converter", OptionType.CLASS, DEFAULT_CONVERTER, "Converter of connectors that name none; its options "
           "follow as `key.converter.…`.", group="Converters"),
    Option("value.converter", OptionType.CLASS, DEFAULT_CONVERTER, "The same for values.", group="Converters"),
    Option("header.converter", OptionType.CLASS, None, "The same for headers. With none they are written as text and "
           "read as they are; SimpleHeaderConverter guesses a type when it reads.",
           group="Converters", importance="low"),
    Unsupported(r"(key|value|header)\.converter\.plugin\.version", ONE_VERSION, pattern=True),
    Option(r"(key|value|header)\.converter\..+", doc="An option of that converter.", pattern=True, group="Converters"),
    *REST,
    *SIGNING,
    Option("topic.creation.enable", _BOOLEAN, True, "Make the topics that sources write to.", importance="low",
           group="Log"),
    Option(POLICY, default="All", choices=POLICIES, group="Log", importance="low",
           doc="Which `producer.override.*`, `consumer.override.*` and `admin.override.*` connectors may set."),
    Option(ALLOWLIST, _LIST, (), "Under policy Allowlist: the names that may be set, without their prefix.",
           group="Log", importance="low"),
    Option("data.dir", default="./headwater-data", group="Headwater",
           doc="Where the embedded log lies. `headwater run --data` says the same."),
    Option("topics.partitions", _INT, 1, "Partitions of a new topic where neither connector nor source says how many.",
           validate=at_least(1), group="Headwater"),
    Option("topics.storage.topic", default="headwater-topics", validate=plain_name, group="Internal topics",
           doc="What is known of each topic, such as that it holds a complete snapshot."),
    Option("views.storage.topic", default="headwater-views", validate=plain_name, group="Internal topics",
           doc="Generations of views and their rebuilds."),
    Option("task.stalled.after.ms", _LONG, 300_000, "A task that makes no progress for so long while there is work is "
           "reported as stalled, ms.", validate=at_least(1_000), group="Headwater"),
    Option("task.spare.processes", _INT, 0, "Processes that are kept ready, so that tasks of a worker that died start "
           "here sooner; each takes the memory of a task without work.", validate=at_least(0), importance="low",
           group="Headwater"),
    Option("task.memory.max.bytes", _LONG, 0, "A task whose process uses more memory is stopped in good order and "
           "started again; 0: no limit. A connector may say otherwise by the same name.", validate=at_least(0),
           group="Headwater"),
    Option("log.format", default="text", choices=("text", "json"), doc="Form of the log lines on stderr.",
           group="Headwater", importance="low"),
    Option("log.level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), doc="Least severe line logged.",
           group="Headwater", importance="low"),
    Option("config.providers", _LIST, (), "Accepted: `${env:…}`, `${file:…}` and `${dir:…}` need no set-up.",
           importance="low", group="Common"),
    Option(r"config\.providers\..+", doc="Accepted with it.", pattern=True, importance="low", group="Common"),
    Option("plugin.path", _LIST, (), "Accepted without effect: plugins are Python packages, installed by pip.",
           importance="low", group="Common"),
    Option("plugin.discovery", default="hybrid_warn", doc="Accepted without effect, as plugin.path.", importance="low",
           group="Common"),
    Unsupported("offset.storage.file.filename", "positions lie on the log; leave this option out"),
    Unsupported("metric.reporters", _JVM, harmless=("", "org.apache.kafka.common.metrics.jmxreporter")),
    Option(r"metrics\.(num\.samples|recording\.level|sample\.window\.ms|context\..+)|auto\.include\.jmx\.reporter",
           doc="Accepted without effect: `GET /metrics` has them all.", pattern=True, importance="low", group="Common"),
    Option(_SECRETS, _PASSWORD, pattern=True, group="Clients"),
    *OWN_CLIENTS,
    *(Option(rf"{first}\..+", doc="A setting of the Kafka clients, by their own name.", pattern=True, group="Clients")
      for first in _CLIENT),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """A worker's options, parsed. `raw`: the text as written, `${…}` unexpanded; this is what child processes get."""

    values: Values
    raw: Mapping[str, str] = field(default_factory=dict)


def worker_settings(raw: Mapping[str, str], expanded: Mapping[str, str] | None = None) -> WorkerSettings:
    """Raises `ConfigError` with every problem. `expanded`: `raw` with `${…}` filled in, where that was done."""
    values, problems = WORKER_OPTIONS.parse(raw if expanded is None else expanded)
    problems = [*problems, *_shared_topics(values)]
    if problems:
        raise ConfigError(problems)
    return WorkerSettings(values, dict(raw))


def _shared_topics(values: Values) -> list[Problem]:
    """Each internal topic is read by somebody who takes all of its records for its own."""
    first: dict[str, str] = {}
    problems = []
    for option in (f"{kind}.storage.topic" for kind in ("config", "offset", "status", "topics", "views")):
        other = first.setdefault(values[option], option)
        if other != option:
            problems.append(Problem(option, f"{values[option]} is {other} already; give each a topic of its own"))
    return problems
