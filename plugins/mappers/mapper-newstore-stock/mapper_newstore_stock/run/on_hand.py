"""Reads the ERP's on-hand numbers from a CSV or any SQL database."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import fnmatch
import hashlib
import json
import re
import typing as t

import fsspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.ledger.database import STREAMED, open_engine, short

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.state import Cursor

#: What the source must provide, in this order; `on_hand_columns` maps them to its own names.
COLUMNS = ("fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp")
INT64_MAX = 2**63 - 1
_WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)

#: fulfillment_node_id, product_id, quantity, as_of_logical_timestamp: the highest logical
#: timestamp the number contains (None: no completion yet).
OnHandRow = tuple[str, str, int, int | None]
#: A line or row number, and the row's values in the order of COLUMNS, then its `updated_column`.
_Found = tuple[int, "Sequence[t.Any]"]


@dataclasses.dataclass
class OnHandSource:
    """Where the ERP's numbers are.

    Attributes:
        url: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row.
        table: Table to read from a SQL source (`schema.table` works).
        query: Query to read from a SQL source instead of a table.
        columns: The source's name for each of COLUMNS; a column left out keeps its name.
        ignored_nodes: Fulfillment nodes to leave out (`*` globs).
        ignored_products: Products to leave out (`*` globs).
        updated_column: Column of a SQL source that grows whenever a row changes.
        cursor: The highest value of that column read.
    """

    url: str
    table: str | None = None
    query: str | None = None
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    updated_column: str | None = None
    cursor: Cursor | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with every setting, so it tells whether a cursor was read from the same rows."""
        read = [self.url, self.table, self.query, dict(self.columns), self.updated_column]
        parts = [read, list(self.ignored_nodes), list(self.ignored_products)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def rows(self, since: Cursor | None = None) -> Iterator[OnHandRow]:
        """Read the rows, one at a time.

        Args:
            since: Leave out rows whose `updated_column` is lower.

        Raises:
            OnHandError: the source cannot be read, or a row cannot be used; names row and column.
            ConfigurationError: the settings do not fit the source.
        """
        self.cursor = since
        names = [self.columns.get(column, column) for column in COLUMNS]
        found = self._sql_rows(names, since) if is_sql(self.url) else _csv_rows(self.url, names)
        ignored = _matcher(self.ignored_nodes, self.ignored_products)
        for position, values in found:
            row = _plain(*values[:4]) or self._examine(position, values, names)
            if ignored is None or not ignored(row[0], row[1]):
                yield row

    def _examine(self, position: int, values: Sequence[t.Any], names: Sequence[str]) -> OnHandRow:
        """Read a row that is not plain.

        Raises:
            OnHandError: a value cannot be used.
        """
        where = f"{self.url}, line {position}"
        if is_sql(self.url):
            where = f"{self.table or 'on_hand_query'}, row {position} ({values[0]}, {values[1]})"
        node, product, quantity, as_of = values[:4]
        for name, value in zip(names, (node, product), strict=False):
            if value is None or str(value).strip() == "":
                raise OnHandError(f"{where}: {name} is empty")
        amount = _integer(quantity, where, names[2])
        if amount is None:
            raise OnHandError(f"{where}: {names[2]} is empty; write 0 for none")
        return str(node).strip(), str(product).strip(), amount, _integer(as_of, where, names[3])

    def _sql_rows(self, names: Sequence[str], since: Cursor | None) -> Iterator[_Found]:
        source = self.table or "on_hand_query"
        try:
            engine = open_engine(self.url)
            with engine.connect() as connection:
                rows = connection.execute(self._select(names, since), execution_options=STREAMED)
                found = enumerate(rows, start=1)
                yield from self._watching(found) if self.updated_column else found
            engine.dispose()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise OnHandError(f"on_hand_url: cannot read {source}: {short(error)}") from error

    def _watching(self, found: Iterable[_Found]) -> Iterator[_Found]:
        for position, values in found:
            if values[4] is not None:
                self._advance(_as_json(values[4]))
            yield position, values

    def _advance(self, value: Cursor) -> None:
        if self.cursor is None or value > self.cursor:  # type: ignore[operator]
            self.cursor = value

    def _select(self, names: Sequence[str], since: Cursor | None) -> sa.Select[t.Any]:
        wanted = [*names, self.updated_column] if self.updated_column else names
        columns: list[sa.ColumnClause[t.Any]] = [sa.column(name) for name in wanted]
        if self.query:
            select = sa.select(*columns).select_from(sa.text(f"({self.query}) AS on_hand_query"))
        elif self.table:
            schema, _, name = self.table.rpartition(".")
            select = sa.select(*columns).select_from(sa.table(name, *columns, schema=schema or None))
        else:
            raise ConfigurationError("on_hand_table or on_hand_query: one of them is required with a SQL on_hand_url")
        if self.updated_column and since is not None:
            # Inclusive: another row may have been given the same value after it was read.
            # Untyped, so that the database compares it as the column's own type.
            moment: sa.BindParameter[t.Any] = sa.bindparam("since", since, type_=sa.types.NullType())
            select = select.where(sa.or_(columns[4] >= moment, columns[4].is_(None)))
        return select


def is_sql(url: str) -> bool:
    """Return whether a URL names a SQL database rather than a CSV."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "://" in url and scheme not in fsspec.available_protocols()


def _matcher(nodes: Sequence[str], products: Sequence[str]) -> Callable[[str, str], object] | None:
    if not nodes and not products:
        return None
    node, product = _pattern(nodes), _pattern(products)
    return lambda node_id, product_id: (node and node(node_id)) or (product and product(product_id))


def _pattern(globs: Sequence[str]) -> Callable[[str], object] | None:
    # Only `*` is special here; to fnmatch `[` and `?` are too.
    plain = [glob.replace("[", "[[]").replace("?", "[?]") for glob in globs]
    return re.compile("|".join(fnmatch.translate(glob) for glob in plain)).match if plain else None


def _plain(node: object, product: object, quantity: object, as_of: object) -> OnHandRow | None:
    """Return a row whose values are as they should be (None: it needs a closer look).

    Called for every row of the ERP, so it does as little as possible.
    """
    if type(node) is not str or type(product) is not str or not node or not product:
        return None
    if node != node.strip() or product != product.strip():
        return None
    if type(quantity) is not int:
        quantity = _plain_integer(quantity)
    if as_of is not None and type(as_of) is not int:
        moment = None if as_of == "" else _plain_integer(as_of)
        if moment is None and as_of != "":
            return None
        as_of = moment
    if quantity is None or not -INT64_MAX <= quantity <= INT64_MAX:
        return None
    if as_of is not None and not -INT64_MAX <= as_of <= INT64_MAX:
        return None
    return node, product, quantity, as_of


def _plain_integer(value: object) -> int | None:
    if type(value) is str and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    return None


def _integer(value: object, where: str, name: str) -> int | None:
    """Read a whole number; a fraction is an error and never truncated."""
    text = "" if value is None else str(value).strip()
    if text == "":
        return None
    if not _WHOLE_NUMBER.fullmatch(text) or isinstance(value, bool):
        raise OnHandError(f"{where}: {name} is {text!r}, expected a whole number")
    result = int(text.partition(".")[0])
    if not -(2**63) <= result <= INT64_MAX:
        raise OnHandError(f"{where}: {name} is {text}, beyond 64 bits")
    return result


def _as_json(value: object) -> Cursor:
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise OnHandError(f"on_hand_updated_column holds {value!r}; it must hold whole numbers, times or texts")


def _csv_rows(url: str, names: Sequence[str]) -> Iterator[_Found]:
    try:
        with fsspec.open(url, "rt", encoding="utf-8-sig", newline="", compression="infer") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            first, second, third, fourth = (_find(header, name, url) for name in names)
            width = len(header)
            for row in reader:
                if len(row) == width:
                    yield reader.line_num, (row[first], row[second], row[third], row[fourth])
                elif row:
                    where = f"{url}, line {reader.line_num}"
                    raise OnHandError(f"{where}: {len(row)} values under {width} column names")
    except (OSError, UnicodeError, csv.Error, ImportError, ValueError) as error:
        raise OnHandError(f"on_hand_url: cannot read {url}: {error}") from error


def _find(header: Sequence[str], name: str, url: str) -> int:
    if header.count(name) != 1:
        found = "twice" if name in header else "not"
        raise OnHandError(f"{url}: column {name} is {found} in the header row ({', '.join(header)})")
    return header.index(name)
