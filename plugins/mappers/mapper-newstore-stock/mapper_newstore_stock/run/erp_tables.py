"""The ERP's tables: rows of a SQL database, of a CSV or of Parquet, by the names of their columns."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import STREAMED, open_engine
from mapper_newstore_stock.run.clocks import database_difference, database_now, host_now
from mapper_newstore_stock.run.csv_lists import NOT_ALONE
from mapper_newstore_stock.run.found_rows import each_row
from mapper_newstore_stock.run.kept_lists import blocks
from mapper_newstore_stock.run.line_diff import CannotCompareError
from mapper_newstore_stock.run.places import SNAPSHOTS
from mapper_newstore_stock.run.sql_rows import batches, lines_of
from mapper_newstore_stock.run.sql_tables import column_names, select
from mapper_newstore_stock.run.under_way import changes_under_way

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mapper_newstore_stock.run.clocks import Difference, Now
    from mapper_newstore_stock.run.found_rows import Block, Found
    from mapper_newstore_stock.run.list_ends import Trailer
    from mapper_newstore_stock.run.list_writer import ListWriter
    from mapper_newstore_stock.run.places import Place
    from mapper_newstore_stock.run.sql_rows import Row
    from mapper_newstore_stock.run.under_way import UnderWay


class Lines(t.NamedTuple):
    """A list as it is compared with the one before it.

    Attributes:
        header: The line that names its columns; empty: there is none.
        blocks: The bytes of all other lines, without the trailer.
        trailer: What it is once they have been read; None: it has none.
    """

    header: bytes
    blocks: Iterator[bytes]
    trailer: Trailer | None = None


class ErpTables:
    """The ERP's databases and files, each database opened once. Use it in a `with` block.

    What is read from one database in a block is read in one transaction, and so at one moment where the database
    can do that: numbers, and the bookings that prove what they contain.
    """

    def __init__(self) -> None:
        self._connections: dict[str, sa.Connection] = {}
        self._asking: dict[str, sa.Connection] = {}
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def rows(
        self,
        place: Place,
        names: Sequence[str],
        damaged: Callable[[int, Sequence[t.Any], str], None],
        where: sa.ColumnElement[bool] | None = None,
        writer: ListWriter | None = None,
    ) -> Iterator[Found]:
        """Yield the rows of a table, each with its number.

        Args:
            place: Where it is.
            names: Its columns; "": none, None in its place.
            damaged: Takes each line of a CSV that is no row: its number, its values as far as they go, what is wrong.
            where: Which rows, of a SQL source.
            writer: Keeps the list while it is read.

        Raises:
            OnHandError: it cannot be read.
            ConfigurationError: the settings do not fit the source.
        """
        if where is None:
            yield from each_row(self.blocks(place, names, damaged, writer))
            return
        with place.explained():
            connection = self.connection(place)
            wanted = select(connection, place, names).where(where)
            yield from enumerate(connection.execute(wanted, execution_options=STREAMED), start=1)

    def blocks(
        self,
        place: Place,
        names: Sequence[str],
        damaged: Callable[[int, Sequence[t.Any], str], None],
        writer: ListWriter | None = None,
    ) -> Iterator[Block]:
        """Yield all rows of a table, some in memory at a time; arguments and errors are those of `rows`."""
        if not place.is_sql:
            yield from place.csv.blocks(names, damaged, writer) if place.is_csv else place.parquet.blocks(names, writer)
            return
        with place.explained():
            connection, first = self.connection(place), 1
            for rows in _kept(batches(connection, select(connection, place, names)), writer):
                yield first, list(zip(*rows, strict=True))
                first += len(rows)

    @contextlib.contextmanager
    def lines(self, place: Place, names: Sequence[str]) -> Iterator[Lines]:
        """Open a list for its lines: those of a CSV, or other rows as lines.

        Raises:
            CannotCompareError: it is not made of lines, or the file cannot be read; `rows` says why.
            OnHandError, ConfigurationError: as `rows`, of a SQL source.
        """
        if place.is_csv:
            file = place.csv
            with file.raw() as stream:
                if stream is None:
                    raise CannotCompareError(NOT_ALONE)
                header, read = stream.readline(), blocks(stream)
                yield Lines(header, file.trailer.blocks(read) if file.trailer else read, file.trailer)
            return
        if not place.is_sql:
            with contextlib.closing(place.parquet.lines(names)) as written:
                yield Lines(b"", (lines.block for lines in written))
            return
        with place.explained():
            connection = self.connection(place)
            with contextlib.closing(batches(connection, select(connection, place, names))) as found:
                yield Lines(b"", map(lines_of, found))

    def columns(self, place: Place) -> list[str]:
        """Return the names of a table's columns.

        Raises:
            OnHandError, ConfigurationError: as `rows`.
        """
        if not place.is_sql:
            return place.csv.header() if place.is_csv else place.parquet.header()
        with place.explained():
            return column_names(self.connection(place), place)

    def connection(self, place: Place) -> sa.Connection:
        """Return the open transaction on a SQL source.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, ImportError: it cannot be opened.
        """
        if place.url not in self._connections:
            connection = self._new_connection(place)
            if level := SNAPSHOTS.get(connection.dialect.name):
                connection = connection.execution_options(isolation_level=level)
            elif connection.dialect.name == "sqlite":
                # Its driver begins a transaction only before something is written.
                connection.exec_driver_sql("BEGIN")
            self._connections[place.url] = connection
        return self._connections[place.url]

    def under_way(self, place: Place) -> UnderWay:
        """Ask a SQL source what is under way now, whatever the open transaction sees."""
        with place.explained():
            return changes_under_way(self._outside(place))

    def now(self, place: Place) -> Now:
        """Return the time where rows of a SQL source are written; a file of SQLite is written on this host."""
        if address(place.url).get_backend_name() == "sqlite":
            return host_now()
        with place.explained():
            return database_now(self._outside(place))

    def _outside(self, place: Place) -> sa.Connection:
        """Return a connection beside the open transaction, for questions about this moment."""
        if place.url not in self._asking:
            connection = self._new_connection(place).execution_options(isolation_level="AUTOCOMMIT")
            self._asking[place.url] = connection
        return self._asking[place.url]

    def _new_connection(self, place: Place) -> sa.Connection:
        engine = open_engine(place.url)
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        # SQLite would make it.
        if path and not path.startswith((":", "file:")) and not Path(path).exists():
            raise OnHandError(
                f"{place.setting}_url: cannot read {place.name}: there is no file {path}",
                f"Correct {place.setting}_url",
            )
        self._resources.callback(engine.dispose)
        return self._resources.enter_context(engine.connect())

    def clock_difference(self, place: Place) -> Difference | None:
        """Compare the clock of a SQL source with this host's; None: it cannot be asked."""
        with place.explained():
            return database_difference(self.connection(place))

    def is_standby(self, place: Place) -> bool:
        """Return whether a SQL source is a copy that lags behind, as far as it says so itself."""
        with place.explained():
            connection = self.connection(place)
            if connection.dialect.name != "postgresql":
                return False
            return bool(connection.scalar(sa.select(sa.func.pg_is_in_recovery())))


def _kept(read: Iterator[Sequence[Row]], writer: ListWriter | None) -> Iterator[Sequence[Row]]:
    """Pass batches of rows on, and keep them."""
    for rows in read:
        if writer and writer.is_keeping:
            try:
                writer.take(lines_of(rows))
            except CannotCompareError:
                writer.drop()
        yield rows
