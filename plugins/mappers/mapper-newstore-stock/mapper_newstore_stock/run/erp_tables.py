"""The ERP's tables: rows of a SQL database or of a CSV, by the names of their columns."""

from __future__ import annotations

import contextlib
import csv
import operator
import typing as t

import fsspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.ledger.database import STREAMED, address, open_engine, short
from mapper_newstore_stock.run.clocks import database_difference

if t.TYPE_CHECKING:
    import _csv
    from collections.abc import Iterator, Sequence

    from mapper_newstore_stock.run.clocks import Difference

#: A line or row number, and the values in the order they were asked for.
Found = tuple[int, "Sequence[t.Any]"]
#: Databases that show one moment to all statements of a transaction, and how a transaction asks for that.
SNAPSHOTS = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ", "sqlite": None}


class Place(t.NamedTuple):
    """Where a table of the ERP is.

    Attributes:
        setting: Which settings say so: `on_hand` or `booked`.
        url: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row.
        table: Table to read from a SQL source (`schema.table` works).
        query: Query to read from a SQL source instead of a table.
    """

    setting: str
    url: str
    table: str | None = None
    query: str | None = None

    @property
    def is_sql(self) -> bool:
        """Whether it is a SQL database rather than a CSV."""
        return is_sql(self.url)

    @property
    def name(self) -> str:
        """What errors call it."""
        return (self.table or f"{self.setting}_query") if self.is_sql else self.url

    def row(self, position: int, *key: object) -> str:
        """Say which row of it is meant."""
        if self.is_sql:
            return f"{self.name}, row {position} ({', '.join(map(str, key))})"
        return f"{self.name}, line {position}"


class ErpTables:
    """The ERP's databases and files, each database opened once. Use it in a `with` block.

    What is read from one database in a block is read in one transaction, and so at one moment where the database
    can do that: numbers, and the bookings that prove what they contain.
    """

    def __init__(self) -> None:
        self._connections: dict[str, sa.Connection] = {}
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def rows(self, place: Place, names: Sequence[str], where: sa.ColumnElement[bool] | None = None) -> Iterator[Found]:
        """Yield the rows of a table, some in memory at a time.

        Args:
            place: Where it is.
            names: Its columns.
            where: Which rows, of a SQL source.

        Raises:
            OnHandError: it cannot be read.
            ConfigurationError: the settings do not fit the source.
        """
        if not place.is_sql:
            yield from _csv_rows(place, names)
            return
        with _explained(place):
            select = _select(place, names)
            connection = self.connection(place)
            found = connection.execute(select if where is None else select.where(where), execution_options=STREAMED)
            yield from enumerate(found, start=1)

    def columns(self, place: Place) -> list[str]:
        """Return the names of a table's columns.

        Raises:
            OnHandError, ConfigurationError: as `rows`.
        """
        if not place.is_sql:
            with _csv_lines(place) as (header, _):
                return header
        with _explained(place):
            select = sa.select(sa.text("*")).select_from(_from(place)).where(sa.false())
            return list(self.connection(place).execute(select).keys())

    def connection(self, place: Place) -> sa.Connection:
        """Return the open transaction on a SQL source.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, ImportError: it cannot be opened.
        """
        if place.url not in self._connections:
            engine = open_engine(place.url)
            self._resources.callback(engine.dispose)
            connection = self._resources.enter_context(engine.connect())
            if level := SNAPSHOTS.get(engine.dialect.name):
                connection = connection.execution_options(isolation_level=level)
            elif engine.dialect.name == "sqlite":
                # Its driver begins a transaction only before something is written.
                connection.exec_driver_sql("BEGIN")
            self._connections[place.url] = connection
        return self._connections[place.url]

    def clock_difference(self, place: Place) -> Difference | None:
        """Compare the clock of a SQL source with this host's; None: it cannot be asked."""
        with _explained(place):
            return database_difference(self.connection(place))

    def is_standby(self, place: Place) -> bool:
        """Return whether a SQL source is a copy that lags behind, as far as it says so itself."""
        with _explained(place):
            connection = self.connection(place)
            if connection.dialect.name != "postgresql":
                return False
            return bool(connection.scalar(sa.select(sa.func.pg_is_in_recovery())))


def is_sql(url: str) -> bool:
    """Return whether a URL names a SQL database rather than a CSV."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "://" in url and scheme not in fsspec.available_protocols()


def has_snapshots(url: str) -> bool:
    """Return whether a URL names a database that shows one moment to all statements of a transaction."""
    return is_sql(url) and address(url).get_backend_name() in SNAPSHOTS


@contextlib.contextmanager
def _explained(place: Place) -> Iterator[None]:
    try:
        yield
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise OnHandError(f"{place.setting}_url: cannot read {place.name}: {short(error)}") from error


def _select(place: Place, names: Sequence[str]) -> sa.Select[t.Any]:
    columns: list[sa.ColumnClause[t.Any]] = [sa.column(name) for name in names]
    return sa.select(*columns).select_from(_from(place, *columns))


def _from(place: Place, *columns: sa.ColumnClause[t.Any]) -> sa.FromClause | sa.TextClause:
    if place.query:
        # Without AS, which Oracle does not know here.
        return sa.text(f"({place.query}) {place.setting}_query")
    if place.table:
        schema, _, name = place.table.rpartition(".")
        return sa.table(name, *columns, schema=schema or None)
    raise ConfigurationError(
        f"{place.setting}_table or {place.setting}_query: one of them is required with a SQL {place.setting}_url"
    )


@contextlib.contextmanager
def _csv_lines(place: Place) -> Iterator[tuple[list[str], _csv.Reader]]:
    """Open a CSV; its header row, and a reader of the others."""
    url = place.url
    try:
        with fsspec.open(url, "rt", encoding="utf-8-sig", newline="", compression="infer") as file:
            reader = csv.reader(file, strict=True)
            yield next(reader, []), reader
    except (OSError, UnicodeError, csv.Error, ImportError, ValueError) as error:
        raise OnHandError(f"{place.setting}_url: cannot read {url}: {error}") from error


def _csv_rows(place: Place, names: Sequence[str]) -> Iterator[Found]:
    url = place.url
    with _csv_lines(place) as (header, reader):
        places = [_find(header, name, url) for name in names]
        pick = operator.itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
        width = len(header)
        for row in reader:
            if len(row) == width:
                yield reader.line_num, pick(row)
            elif row:
                raise OnHandError(f"{url}, line {reader.line_num}: {len(row)} values under {width} column names")


def _find(header: Sequence[str], name: str, url: str) -> int:
    if header.count(name) != 1:
        found = "twice" if name in header else "not"
        raise OnHandError(f"{url}: column {name} is {found} in the header row ({', '.join(header)})")
    return header.index(name)
