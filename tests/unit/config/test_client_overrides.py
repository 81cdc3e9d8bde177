from __future__ import annotations

import pytest

from headwater.worker.config.client_overrides import ALLOWLIST, POLICY, refused_overrides

RAW = {
    "name": "shop",
    "producer.override.linger.ms": "5",
    "consumer.override.sasl.mechanism": "PLAIN",
    "admin.override.retries": "1",
}


@pytest.mark.parametrize(
    ("worker", "refused"),
    [
        ({}, []),
        ({POLICY: "all"}, []),
        ({POLICY: "None"}, [name for name in RAW if name != "name"]),
        ({POLICY: "Principal"}, ["producer.override.linger.ms", "admin.override.retries"]),
        ({POLICY: "Allowlist", ALLOWLIST: "linger.ms, retries"}, ["consumer.override.sasl.mechanism"]),
    ],
)
def test_the_policy_decides(worker: dict[str, str], refused: list[str]) -> None:
    assert [problem.option for problem in refused_overrides(RAW, worker)] == refused


def test_the_problem_says_what_may_be_done() -> None:
    [problem] = refused_overrides({"producer.override.linger.ms": "5"}, {POLICY: "Allowlist"})
    assert "does not let connectors" in problem.message and "add linger.ms to" in problem.hint
