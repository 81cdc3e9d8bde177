"""Which programs of the system `make` would miss: `python3 -m tests.servers.needed demo-kafka|test-fast|test`.

Runs before anything is installed, so it imports the standard library alone.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

JAVA = 17


def java_version() -> int:
    """0: there is none."""
    program = shutil.which("java")
    if program is None:
        return 0
    done = subprocess.run([program, "-version"], capture_output=True, text=True)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else 0


def missing(target: str) -> dict[str, str]:
    """What `make TARGET` misses: Debian's package, what it is for."""
    found: dict[str, str] = {}
    if importlib.util.find_spec("ensurepip") is None:
        found["python3-venv"] = "Python's venv"
    with_kafka = target != "test-fast"
    if with_kafka and java_version() < JAVA:
        found[f"openjdk-{JAVA}-jdk-headless"] = f"Java {JAVA} or newer, for Apache Kafka"
    if with_kafka and shutil.which("mvn") is None:
        found["maven"] = "mvn, which fetches Apache Kafka"
    if target.startswith("test") and not Path("/usr/lib/postgresql/15/bin/postgres").exists():
        found["postgresql-15"] = "PostgreSQL 15, beside 18, which comes from PyPI"
    return found


def main(target: str) -> int:
    lacking = missing(target)
    if not lacking:
        return 0
    print(f"make {target} needs more programs than this machine has:", file=sys.stderr)
    for what in lacking.values():
        print(f"  {what}", file=sys.stderr)
    print(f"On Debian 12: apt-get install {' '.join(lacking)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
