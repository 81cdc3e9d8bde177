"""A key for each subject (a person, a customer), in a table of the user's own. Without it nobody reads what it opens.

Table, made by `EncryptFields` where it is missing: `scope` and `subject` (the primary key), `key_id` (32 hexadecimal
digits, unique), `wrapped` (the key of 64 bytes, wrapped with the master key by RFC 3394; NULL: the subject is forgotten
and stays so), `created_at`. In PostgreSQL or SQLite.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from headwater.worker.api import (
    ConfigError,
    DataError,
    Fatal,
    Option,
    OptionType,
    Problem,
    Unavailable,
    Values,
    at_least,
)

__all__ = ["KEY_OPTIONS", "SubjectKey", "SubjectKeys"]

_KEY_BYTES: Final = 64
_MASTER_BYTES: Final = 32
_LONGEST: Final = 1_000
"""Bytes of a subject. PostgreSQL's index of the table holds 2,704 at most, for it and its scope."""
_OF_THE_SUBJECT: Final = frozenset({"22P05", "54000"})
"""SQLSTATEs that blame it: a character that the database's encoding has not, longer than the index can hold."""
_MOST: Final = 50_000
"""Keys that are remembered; each for `key.cache.ms` at most."""


def _url(value: Any) -> str | None:
    known = ("postgresql://", "postgres://", "sqlite:///")
    if not str(value).startswith(known):
        return f"must begin with one of {', '.join(known)}"
    try:
        port = sa.make_url(str(value)).port
    except (sa.exc.ArgumentError, ValueError):  # whose words have the password
        return "is no URL: its port is no number, or a character in it has to be written as %XX"
    return None if port is None or 0 < port < 65_536 else "has a port that there is not: 1 to 65535"


def _master(value: Any) -> str | None:
    try:
        size = len(b64decode(value, validate=True))
    except (NoBase64, ValueError):
        return "must be base64, of `openssl rand -base64 32`"
    return None if size == _MASTER_BYTES else f"must hold {_MASTER_BYTES} bytes, not {size}"


KEY_OPTIONS: Final = (
    Option("keys.url", OptionType.PASSWORD, doc="Where the keys lie: `postgresql://USER:PASSWORD@HOST/DATABASE` or "
           "`sqlite:///PATH`.", validate=_url, importance="high"),
    Option("keys.table", default="headwater_subject_keys", doc="The table of the keys."),
    Option("subject.scope", default="", doc="Tells subjects of several kinds apart that have the same names, "
           "customers and employees say."),
    Option("master.key", OptionType.PASSWORD, doc="The key that opens the subjects' keys: 32 bytes in base64 (`openssl "
           "rand -base64 32`). Keep it out of the config: ${env:…} or ${file:…}.", validate=_master, importance="high"),
    Option("master.key.old", OptionType.PASSWORD, None, "The one before, while keys are left that it has wrapped.",
           validate=_master),
    Option("key.cache.ms", OptionType.LONG, 60_000, "How long a key is remembered: so long a deleted one may still be "
           "used, ms.", validate=at_least(0)),
)  # fmt: skip


class SubjectKey(NamedTuple):
    id: str
    key: bytes


class SubjectKeys:
    """Belongs to one thread. Connects at the first use."""

    def __init__(self, values: Values) -> None:
        """Raises `ConfigError` where cryptography is not installed."""
        if find_spec("cryptography") is None:
            raise ConfigError([Problem("type", "needs the package cryptography", "pip install 'headwater[privacy]'")])
        url: str = values["keys.url"]
        for name in ("postgresql://", "postgres://"):
            if url.startswith(name):
                url = "postgresql+psycopg://" + url.removeprefix(name)
        self._url = url
        self._scope: str = values["subject.scope"]
        masters = [values["master.key"], values["master.key.old"]]
        self._masters = [b64decode(master) for master in masters if master]
        self._life_s = values["key.cache.ms"] / 1000
        self._by_subject: dict[str, tuple[float, SubjectKey | None]] = {}
        self._by_id: dict[str, tuple[float, SubjectKey | None]] = {}
        self._engine: sa.Engine | None = None
        self._writes = True
        self._made = False
        self._table = sa.Table(
            values["keys.table"],
            sa.MetaData(),
            sa.Column("scope", sa.Text, primary_key=True),
            sa.Column("subject", sa.Text, primary_key=True),
            sa.Column("key_id", sa.Text, nullable=False, unique=True),
            sa.Column("wrapped", sa.LargeBinary),
            sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        )

    def rehearse(self) -> None:
        """From now on keys that are missing are made for this process alone, and so is the table."""
        self._writes = False

    def of_subject(self, subject: str) -> SubjectKey | None:
        """The subject's key, made where there is none; None: it is forgotten.

        Raises `Fatal`, `Unavailable`; `DataError` for a name that no table can hold.
        """
        if "\0" in subject or (not subject.isascii() and _has_surrogates(subject)):
            raise DataError(f"the subject {subject[:48]!r} holds characters that the table of keys cannot")
        if len(subject.encode()) > _LONGEST:
            raise DataError(f"the subject {subject[:48]!r}… is longer than {_LONGEST:,} bytes")
        if self._writes and not self._made:
            self._make_table()
            self._made = True
        return self._remembered(self._by_subject, subject, self._found_or_made)

    def of_id(self, key_id: str) -> SubjectKey | None:
        """None: it is deleted. Raises `Fatal`, `Unavailable`."""
        return self._remembered(self._by_id, key_id, self._found)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _remembered(
        self,
        known: dict[str, tuple[float, SubjectKey | None]],
        name: str,
        find: Callable[[sa.Connection, str], SubjectKey | None],
    ) -> SubjectKey | None:
        now = time.monotonic()
        entry = known.get(name)
        if entry is not None and now < entry[0]:
            return entry[1]
        try:
            with self._connected() as connection, connection.begin():
                found = find(connection, name)
        except sa.exc.DBAPIError as error:
            raise self._meant(error) from None  # tracebacks in the log would have the details
        if len(known) >= _MOST:
            del known[next(iter(known))]
        known.pop(name, None)
        known[name] = now + self._life_s, found
        return found

    def _meant(self, error: sa.exc.DBAPIError) -> Exception:
        """Without the server's details, which quote values."""
        told = _message(error)
        if getattr(error.orig, "sqlstate", None) in _OF_THE_SUBJECT:
            return DataError(f"the table {self._table.name} of the subjects' keys cannot hold the subject: {told}")
        if not isinstance(error, sa.exc.OperationalError):
            return Fatal(
                f"the table {self._table.name} of the subjects' keys cannot be used: {told}. EncryptFields makes "
                "it where it is missing; the user of keys.url needs SELECT, for EncryptFields INSERT and CREATE as well"
            )
        if self._url.startswith("sqlite") and "no such table" in told:
            return Fatal(f"{self._table.name}: {told}. EncryptFields makes it; is keys.url the same file there?")
        return Unavailable(f"the subjects' keys cannot be reached: {told}")

    def _connected(self) -> sa.Connection:
        if self._engine is None:
            # one connection that is looked at before each use, and opened anew where the server was restarted
            # hide_parameters: wrapped keys and names of persons are in no error
            self._engine = sa.create_engine(
                self._url, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
            )
        return self._engine.connect()

    def _make_table(self) -> None:
        """Where it is missing. Raises `Unavailable`, `Fatal`."""
        try:
            with self._connected() as connection, connection.begin():
                self._table.create(connection, checkfirst=True)
        except sa.exc.OperationalError as error:
            raise self._meant(error) from error
        except sa.exc.DBAPIError:
            return  # another task was faster; or there is no right to, which the first key tells

    def _found_or_made(self, connection: sa.Connection, subject: str) -> SubjectKey | None:
        table = self._table
        mine = sa.and_(table.c.scope == self._scope, table.c.subject == subject)
        there = self._writes or sa.inspect(connection).has_table(table.name)
        query = sa.select(table.c.key_id, table.c.wrapped).where(mine)
        row = connection.execute(query).one_or_none() if there else None
        if row is None and not self._writes:
            return SubjectKey(secrets.token_hex(16), secrets.token_bytes(_KEY_BYTES))
        if row is None:
            from cryptography.hazmat.primitives.keywrap import aes_key_wrap

            wrapped = aes_key_wrap(self._masters[0], secrets.token_bytes(_KEY_BYTES))
            new = {"scope": self._scope, "subject": subject, "key_id": secrets.token_hex(16), "wrapped": wrapped}
            connection.execute(self._insert().values(**new))
            row = connection.execute(query).one_or_none()
            if row is None:
                raise Unavailable(f"a key was deleted from {table.name} while it was made")
        return self._opened(*row)

    def _insert(self) -> Any:
        """Nothing where another task has made one meanwhile."""
        if self._url.startswith("sqlite"):
            from sqlalchemy.dialects.sqlite import insert

            return insert(self._table).on_conflict_do_nothing()
        from sqlalchemy.dialects.postgresql import insert as postgres_insert

        return postgres_insert(self._table).on_conflict_do_nothing()

    def _found(self, connection: sa.Connection, key_id: str) -> SubjectKey | None:
        query = sa.select(self._table.c.key_id, self._table.c.wrapped).where(self._table.c.key_id == key_id)
        row = connection.execute(query).one_or_none()
        return None if row is None else self._opened(*row)

    def _opened(self, key_id: str, wrapped: bytes | None) -> SubjectKey | None:
        if wrapped is None:
            return None
        from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

        for master in self._masters:
            try:
                return SubjectKey(key_id, aes_key_unwrap(master, bytes(wrapped)))
            except InvalidUnwrap:
                continue
        raise Fatal(
            f"the master key does not open the key {key_id} of {self._table.name}: it was wrapped with another one, or "
            "is damaged. Give the one that it was made with, as master.key or master.key.old"
        )


def _message(error: sa.exc.DBAPIError) -> str:
    """Of PostgreSQL the first line; of others, and where no server was reached, the whole."""
    return str(getattr(getattr(error.orig, "diag", None), "message_primary", None) or error.orig)


def _has_surrogates(text: str) -> bool:
    """Halves of characters, which JSON may hold and UTF-8 may not."""
    return any("\ud800" <= char <= "\udfff" for char in text)
