"""Names of schemas made fit for Avro.

Source: io.debezium.schema.{SchemaNameAdjuster,ReplacementFunction,UnicodeReplacementFunction} of Debezium 3.7.0.Final.
"""

from __future__ import annotations

import re


def adjusted(name: str, mode: str) -> str:
    """`mode`: none, avro (other characters become _) or avro_unicode (they, and _, become _uXXXX)."""
    if mode == "none" or not name:
        return name
    if mode == "avro":
        first = "_" + name[0] if name[0].isdigit() else re.sub(r"[^A-Za-z_]", "_", name[0])
        return first + re.sub(r"[^A-Za-z0-9_.]", "_", name[1:])
    first = re.sub(r"[^A-Za-z]", _escaped, name[0])
    return first + re.sub(r"[^A-Za-z0-9.]", _escaped, name[1:])


def _escaped(found: re.Match[str]) -> str:
    code = f"{ord(found[0]):x}"
    return "_u" + (code if len(code) > 2 else "00" + code)
