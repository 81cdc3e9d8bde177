"""`column.mask.*` and `column.truncate.*`: the options of `masking`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from headwater.worker.api import Option, OptionType, Problem, Values

TRUNCATE: Final = r"column\.truncate\.to\.(\d+)\.chars"
MASK: Final = r"column\.mask\.with\.(\d+)\.chars"
HASH: Final = r"column\.mask\.hash\.([^.]+)\.with\.salt\.(.+)"
HASH_V2: Final = r"column\.mask\.hash\.v2\.([^.]+)\.with\.salt\.(.+)"

DIGESTS: Final = {
    "MD5": "md5", "SHA": "sha1", "SHA1": "sha1", "SHA-1": "sha1", "SHA-224": "sha224", "SHA-256": "sha256",
    "SHA-384": "sha384", "SHA-512": "sha512", "SHA-512/224": "sha512_224", "SHA-512/256": "sha512_256",
    "SHA3-224": "sha3_224", "SHA3-256": "sha3_256", "SHA3-384": "sha3_384", "SHA3-512": "sha3_512",
}  # fmt: skip
"""Java's names (Java Security Standard Algorithm Names, MessageDigest) -> hashlib's."""
_MOST_CHARS: Final = 2**31 - 1


def given(values: Mapping[str, Any], pattern: str) -> Iterator[tuple[re.Match[str], str]]:
    """The options of this pattern, with the columns that they name."""
    for name in values:
        if found := re.fullmatch(pattern, name):
            yield found, values[name]


def mask_options(validate: Callable[[Any], str | None]) -> list[Option]:
    """Each names columns as the filters do: regular expressions over schema.table.column."""
    made = [
        (MASK, "Write so many asterisks in place of the text of these columns, nulls as well."),
        (HASH_V2, "Write the hash (MD5, SHA-256 …) of the salt and the text of these columns, in hexadecimal digits, "
         "cut to the column's length. Equal texts have equal hashes."),
        (HASH, "The same over Java's serialized form of the text, as older versions of Debezium do. For new "
         "connectors take v2."),
        (TRUNCATE, "Cut texts and bytes of these columns."),
    ]  # fmt: skip
    return [Option(name, OptionType.STRING, doc=doc, pattern=True, validate=validate) for name, doc in made]


def mask_problems(values: Values) -> list[Problem]:
    """Hashes that do not exist, salts that are not what they look like, lengths beyond all."""
    found = []
    for pattern in (HASH_V2, HASH):
        for match, _ in given(values, pattern):
            if match[1].upper() not in DIGESTS:
                known = ", ".join(name for name in DIGESTS if "-" in name)
                found.append(Problem(match[0], f"there is no hash {match[1]}", f"there are MD5, {known}"))
            if re.search(r"\$\{(env|file|dir):", match[2]):
                what = "the salt is part of the option's name, where ${…} is not replaced"
                found.append(Problem(match[0], what, "HashFields has a salt that can be kept secret"))
    for pattern in (MASK, TRUNCATE):
        for match, _ in given(values, pattern):
            if int(match[1]) > _MOST_CHARS:
                found.append(Problem(match[0], f"{match[1]} is more than {_MOST_CHARS} characters"))
    return found
