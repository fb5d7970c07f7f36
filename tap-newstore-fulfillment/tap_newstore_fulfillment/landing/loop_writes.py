"""Writes to PostgreSQL that an event loop waits for itself, without a thread.

A thread would wait several times for its turn at the GIL, which the busy loop holds: in all, as long as for the commit.
"""

from __future__ import annotations

import asyncio
import functools
import typing as t

from tap_newstore_fulfillment.landing.connections import NOT_REPLICATED

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    Rows = Sequence[tuple[str | None, ...]]
    #: Statements with their parameters, and the rows of each.
    Transaction = Sequence[tuple[str, Sequence[object]]]
    Answers = Sequence[Rows]

#: libpq's ExecStatusType: a command that returns no rows, and one that returns rows, succeeded; several have ended.
COMMAND_OK, TUPLES_OK, PIPELINE_SYNC = 1, 2, 10
#: libpq's PG_DIAG_SQLSTATE.
SQLSTATE = ord("C")
#: PostgreSQL's code for a lock that was not to be had in time.
LOCK_NOT_AVAILABLE = "55P03"
#: Classes of codes that speak of the data; all others, of the connection or the server it leads to.
OF_DATA = ("22", "23")


class Failed(t.NamedTuple):
    """What was not executed, as far as is known.

    Attributes:
        reason: The database's words.
        is_locked: A lock was not to be had in time; a thread would wait as long again.
        is_lost: The way there is lost, or leads to a server that takes no writes: the next would fare no better.
    """

    reason: str
    is_locked: bool = False
    is_lost: bool = False


class LoopConnection:
    """A connection that runs a transaction at a time, and calls back in the event loop.

    Made in any thread; all the rest is for the event loop's.

    Args:
        engine: Connects by psycopg, in autocommit mode.
        statements: What will be executed.

    Attributes:
        is_open: It can be used.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, or an error of the driver: it cannot be had.
        ConnectionError: the server does not prepare the statements.
    """

    def __init__(self, engine: sa.Engine, statements: Sequence[str]) -> None:
        self._connection = engine.raw_connection()
        driver = t.cast("t.Any", self._connection.driver_connection)
        self._libpq = driver.pgconn
        #: Of its socket; libpq does not name one that it has closed.
        self._file: int = self._libpq.socket
        self._error: type[Exception] = t.cast("t.Any", engine.dialect.loaded_dbapi).Error
        self._names = {statement: b"newstore_%d" % number for number, statement in enumerate(statements)}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: Callable[[Answers | Failed], None] | None = None
        self._results: list[t.Any] = []
        #: Several statements are under way; without a word in between they are one transaction.
        self._are_several = False
        self.is_open = True
        prepared = (self._libpq.prepare(name, _numbered(statement)) for statement, name in self._names.items())
        if driver.info.encoding != "utf-8" or any(result.status != COMMAND_OK for result in prepared):
            self.close()
            raise ConnectionError("the server does not prepare statements")
        self._libpq.nonblocking = 1

    def begin(self, transaction: Transaction, ended: Callable[[Answers | Failed], None]) -> None:
        """Begin a transaction; call `ended` with the rows of its statements, all values as text, when it is durable.

        Args:
            transaction: Of the statements given; none is under way.
            ended: Called once.
        """
        if not self.is_open:
            ended(Failed("the connection is closed", is_lost=True))
            return
        self._ended, self._results, self._are_several = ended, [], len(transaction) > 1
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.add_reader(self._file, self._read)
        try:
            if self._are_several:
                self._libpq.enter_pipeline_mode()
            for statement, parameters in transaction:
                values = [None if value is None else str(value).encode() for value in parameters]
                self._libpq.send_query_prepared(self._names[statement], values)
            if self._are_several:
                self._libpq.pipeline_sync()
            if self._libpq.flush():
                loop.add_writer(self._file, self._write)
        except self._error as error:
            self._fail(error)

    def close(self) -> None:
        """Close the connection; nothing is called any more for what is under way."""
        if not self.is_open:
            return
        self.is_open = False
        if self._loop and not self._loop.is_closed():
            self._loop.remove_reader(self._file)
            self._loop.remove_writer(self._file)
        self._loop = None
        self._connection.invalidate()
        self._connection.close()

    def _write(self) -> None:
        try:
            is_left = self._libpq.flush()
        except self._error as error:
            self._fail(error)
            return
        if self._loop and not is_left:
            self._loop.remove_writer(self._file)

    def _read(self) -> None:
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is not None and result.status != PIPELINE_SYNC:
                    self._results.append(result)
                elif result is not None or not self._are_several:
                    if self._are_several:
                        self._libpq.exit_pipeline_mode()
                    self._end(self._answers())
                    return
        except self._error as error:
            self._fail(error)

    def _answers(self) -> Answers | Failed:
        if self._connection.info.pop(NOT_REPLICATED, False):
            return Failed("a standby may not have it", is_lost=True)
        bad = [result for result in self._results if result.status not in (COMMAND_OK, TUPLES_OK)]
        if not self._results:
            return Failed("no answer came", is_lost=True)
        if bad:
            # Of several, the first says why.
            state = _text(bad[0].error_field(SQLSTATE)) or ""
            reason = str(bad[0].get_error_message()).strip()
            return Failed(reason, is_locked=state == LOCK_NOT_AVAILABLE, is_lost=not state.startswith(OF_DATA))
        return [_rows(result) for result in self._results]

    def _fail(self, error: Exception) -> None:
        self.close()
        self._end(Failed(str(error).strip(), is_lost=True))

    def _end(self, answer: Answers | Failed) -> None:
        ended, self._ended = self._ended, None
        if ended:
            ended(answer)


def _rows(result: t.Any) -> Rows:
    columns = range(result.nfields)
    return [tuple(_text(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()


@functools.cache
def _numbered(statement: str) -> bytes:
    first, *rest = statement.split("%s")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))).encode()
