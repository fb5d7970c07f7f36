"""The rows of a SQL source: fetched in batches, and written as the lines that a list of them is kept as."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import itertools
import math
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import BATCH_ROWS, STREAMED
from mapper_newstore_stock.run.line_diff import CannotCompareError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

Row = tuple[t.Any, ...]

#: Drivers whose own cursors stream, and hand out tuples: SQLAlchemy's rows cost more than all else done with them.
STREAMING_DRIVERS = {"psycopg": "newstore_on_hand", "pysqlite": None}
#: A list of the same rows should come in the same order, and all of it is read.
ORDERLY_SCANS = (
    "SELECT set_config(name, wanted, true)"
    " FROM (VALUES ('synchronize_seqscans', 'off'), ('cursor_tuple_fraction', '1')) AS scan (name, wanted)"
    " WHERE current_setting(name, true) IS NOT NULL"
)
#: Values that JSON gives back as they were; the others are written so that they cannot be taken for them.
_PLAIN: frozenset[type] = frozenset({str, int, type(None)})
_encoder = msgspec.json.Encoder()


def batches(connection: sa.Connection, query: sa.Select[t.Any]) -> Generator[Sequence[Row]]:
    """Yield the rows of a query without parameters, some in memory at a time.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: they cannot be read.
    """
    dialect = connection.dialect
    if dialect.driver not in STREAMING_DRIVERS:
        found = iter(connection.execute(query, execution_options=STREAMED))
        while part := [tuple(row) for row in itertools.islice(found, BATCH_ROWS)]:
            yield part
        return
    if dialect.name == "postgresql":
        connection.exec_driver_sql(ORDERLY_SCANS)
    statement, name = str(query.compile(connection)), STREAMING_DRIVERS[dialect.driver]
    try:
        with contextlib.closing(connection.connection.cursor(*[name] if name else [])) as cursor:
            # With parameters, if none, the driver undoes what SQLAlchemy does to percent signs.
            cursor.execute(statement, ())
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield rows
    except t.cast("t.Any", dialect.loaded_dbapi).Error as error:
        raise sa.exc.DBAPIError(statement, None, error) from error


def lines_of(rows: Sequence[Row]) -> bytes:
    """Return rows as lines of JSON from which `row_of` makes them again.

    Raises:
        CannotCompareError: there are values of which it would not.
    """
    try:
        if not set(map(type, itertools.chain.from_iterable(rows))) <= _PLAIN:
            rows = [tuple(_WRITTEN[type(value)](value) for value in row) for row in rows]
        return _encoder.encode_lines(rows)
    except (KeyError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise CannotCompareError("it has values of other kinds than texts, numbers and moments") from error


def rows_of(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of lines, each with the line's number.

    Raises:
        CannotCompareError: a line is not one that `lines_of` writes.
    """
    decode = msgspec.json.Decoder(list).decode
    for number, line in lines:
        try:
            values = decode(line)
            # A value of another kind than JSON's is a list in the list.
            row = tuple(values if line.find(b"[", 1) < 0 else map(_read, values))
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise CannotCompareError("the last one was of another kind") from error
        yield number, row


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _read(value: t.Any) -> t.Any:
    if type(value) is not list:
        return value
    kind, text = value
    return _READ[kind](text)


_WRITTEN: dict[type, Callable[[t.Any], t.Any]] = {
    **dict.fromkeys(_PLAIN, lambda value: value),
    float: _finite,
    decimal.Decimal: lambda value: ("decimal", str(value)),
    bytes: lambda value: ("bytes", value.hex()),
    dt.datetime: lambda value: ("moment", value.isoformat()),
    dt.date: lambda value: ("day", value.isoformat()),
}
_READ: dict[str, Callable[[str], t.Any]] = {
    "decimal": decimal.Decimal,
    "float": float,
    "bytes": bytes.fromhex,
    "moment": dt.datetime.fromisoformat,
    "day": dt.date.fromisoformat,
}
