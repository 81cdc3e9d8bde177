"""Which prefixes are chosen, for what comes in which order."""

from __future__ import annotations

import random
from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.log.prefix_choice import VALUES, PrefixChoice, best_prefix, common_length

SCHEMA = random.Random(1).randbytes(4500)


class Split:
    """A choice and the prefixes that it registered, by id from 1."""

    def __init__(self) -> None:
        self.choice = PrefixChoice(VALUES)
        self.registered: list[bytes] = []
        self.stored = 0

    def register(self, choice: PrefixChoice, new: bytes) -> None:
        self.registered.append(new)
        choice.add(len(self.registered), new)

    def write(self, values: list[bytes]) -> None:
        """Checked: prefix and rest give the value."""
        ids, rests = self.choice.split(values, self.register)
        prefixes = dict(enumerate([b"", *self.registered]))
        assert [prefixes[number or 0] + (rest or b"") for number, rest in zip(ids, rests, strict=True)] == values
        self.stored += sum(len(rest or b"") for rest in rests)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_common_length(both: bytes, one: bytes, two: bytes) -> None:
    pairs = zip(both + one, both + two, strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    assert common_length(both + one, both + two) == alike


def test_what_many_share_wins_over_what_two_share() -> None:
    window = [(b"s" * 400 + b"%c" % letter * 300, 0) for letter in b"aabbccdd"]
    assert best_prefix(window, 256) == b"s" * 400


def test_two_are_too_few() -> None:
    assert best_prefix([(b"s" * 400, 0), (b"s" * 400, 0), (b"t" * 400, 0)], 256) is None


def test_what_is_covered_does_not_count() -> None:
    assert best_prefix([(b"s" * 400, 200)] * 8, 256) is None
    assert best_prefix([(b"s" * 500, 200)] * 8, 256) == b"s" * 500


def test_rising_numbers_behind_the_schema_ask_for_few_prefixes() -> None:
    split = Split()
    for first in range(1_000_000, 1_200_000, 5000):
        split.write(
            [SCHEMA + b'{"before":null,"after":{"id":%d,"name":"x"}}' % id_ for id_ in range(first, first + 5000)]
        )
    assert len(split.registered) <= 8
    assert all(prefix.startswith(SCHEMA) for prefix in split.registered)
    assert split.stored < 200_000 * 100


def test_a_new_schema_gets_its_own_prefix_though_it_begins_as_the_old_one() -> None:
    split = Split()
    for changed_at in (4500, 3000, 1000, 100):
        schema = SCHEMA[:changed_at] + random.Random(changed_at).randbytes(4500 - changed_at)
        split.write([schema + b"%d" % number for number in range(1000)])
    assert split.stored < 4 * (1000 * 10 + 40 * 4500)
    assert len(split.registered) <= 12


def test_many_tables_in_one_topic() -> None:
    chance = random.Random(2)
    tables = [SCHEMA[:1000] + chance.randbytes(3500) for _ in range(12)]
    split = Split()
    split.write([chance.choice(tables) + b"%d" % number for number in range(20_000)])
    assert split.stored < 20_000 * 4500 / 8
    assert len(split.registered) <= 20


def test_values_that_share_nothing_register_nothing() -> None:
    split = Split()
    chance = random.Random(3)
    split.write([chance.randbytes(2000) for _ in range(3000)])
    assert split.registered == []
    assert split.choice.held_bytes <= 16 * 2000


def test_after_long_in_vain_a_prefix_is_still_found() -> None:
    split = Split()
    chance = random.Random(4)
    split.write([chance.randbytes(2000) for _ in range(3000)])
    split.stored = 0
    split.write([SCHEMA + b"%d" % number for number in range(2000)])
    assert split.stored < 300 * 4500 + 2000 * 20


def test_huge_values_are_cut_and_empty_ones_and_none_pass() -> None:
    split = Split()
    split.write([b"x" * 1_000_000 + b"%d" % number for number in range(40)])
    assert max(map(len, split.registered)) <= 65536
    ids, rests = split.choice.split([None, b""], split.register)
    assert (ids, rests) == ([None, None], [None, b""])
