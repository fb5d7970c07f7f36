"""The process that writes to SQLite for an event loop (see `loop_process`): a program that needs no package.

Its one argument is a connection of `multiprocessing`. What comes first says how to open the database; then each message
is a transaction, a list of steps. When the other side has gone, it ends.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import typing as t
from multiprocessing.connection import Connection

Row = tuple[str | None, ...]
#: A statement, and a question about what it has done; None: how many rows it has changed.
Statement = tuple[str, str | None]
#: Of a transaction: the number of a statement, from 0, and its parameters.
Step = tuple[int, t.Sequence[object]]


class Opening(t.TypedDict):
    """What `sqlite3.connect` takes, what every session begins with, and what will be executed."""

    arguments: t.Sequence[t.Any]
    options: t.Mapping[str, t.Any]
    session: t.Sequence[str]
    statements: t.Sequence[Statement]


class Answer(t.TypedDict):
    """Each answer's rows, all values as text; or why there are none.

    Attributes:
        error: The database's words; None: the transaction is durable.
        is_locked: Another one held the lock for too long.
        is_lost: It is not about the data: the next transaction would fare no better.
    """

    rows: list[list[Row]]
    error: str | None
    is_locked: bool
    is_lost: bool


def answer(database: sqlite3.Connection, statements: t.Sequence[Statement], transaction: t.Sequence[Step]) -> Answer:
    """Execute a transaction; nothing of it is kept if it fails."""
    try:
        # Lock now: what counts the new rows must not see those of others.
        database.execute("BEGIN IMMEDIATE")
        rows = [_answer(database, statements[number], parameters) for number, parameters in transaction]
        database.execute("COMMIT")
    except sqlite3.Error as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        # Extended codes have the plain one in their last byte.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        is_of_data = isinstance(error, sqlite3.DataError | sqlite3.IntegrityError)
        return Answer(rows=[], error=str(error), is_locked=code == sqlite3.SQLITE_BUSY, is_lost=not is_of_data)
    return Answer(rows=rows, error=None, is_locked=False, is_lost=False)


def _answer(database: sqlite3.Connection, statement: Statement, parameters: t.Sequence[object]) -> list[Row]:
    command, question = statement
    changed = database.execute(command, parameters)
    if question is None:
        return [(str(changed.rowcount),)]
    return [tuple(map(_text, row)) for row in database.execute(question)]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def main(descriptor: int) -> None:
    """Answer requests until there is nobody to answer."""
    # Who starts the receiver ends it, and what is under way is answered before; this process ends after it.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    with Connection(descriptor) as other, contextlib.suppress(EOFError, OSError):
        opening: Opening = other.recv()
        database = sqlite3.connect(*opening["arguments"], **{**opening["options"], "isolation_level": None})
        with contextlib.closing(database):
            for statement in opening["session"]:
                database.execute(statement)
            other.send(None)
            while True:
                other.send(answer(database, opening["statements"], other.recv()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
