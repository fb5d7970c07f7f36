"""The ERP's on-hand numbers, read from a CSV or any SQL database."""

from __future__ import annotations

import csv
import fnmatch
import re
import typing as t

import fsspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, OnHandError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: What the source must provide, in this order; `on_hand_columns` maps them to its own names.
COLUMNS = ("fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp")
INT64_MAX = 2**63 - 1
STREAMED = {"yield_per": 10_000}
_WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0+)?")


class OnHandRow(t.NamedTuple):
    """What the ERP says is on one shelf.

    Attributes:
        as_of: The highest logical timestamp the number contains; None: no completion yet.
    """

    fulfillment_node_id: str
    product_id: str
    quantity: int
    as_of: int | None


def read_on_hand(url: str, *, table: str | None, query: str | None, columns: Mapping[str, str]) -> Iterator[OnHandRow]:
    """Read all rows of the source, one at a time.

    Args:
        url: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row.
        table: Table to read from a SQL source (`schema.table` works).
        query: Query to read from a SQL source instead of a table.
        columns: The source's name for each of COLUMNS; left out ones keep their name.

    Raises:
        OnHandError: the source cannot be read, or a row is not usable; names row and column.
        ConfigurationError: the settings do not fit the source.
    """
    names = {column: columns.get(column, column) for column in COLUMNS}
    rows = _sql_rows(url, table, query, names) if is_sql(url) else _csv_rows(url, names)
    for where, values in rows:
        yield _checked(where, values, names)


def is_sql(url: str) -> bool:
    """Say whether a URL names a SQL database rather than a CSV."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "://" in url and scheme not in fsspec.available_protocols()


def without_ignored(rows: Iterable[OnHandRow], nodes: Sequence[str], products: Sequence[str]) -> Iterator[OnHandRow]:
    """Leave out rows whose node or product matches one of the patterns (`*` globs)."""
    node, product = _matcher(nodes), _matcher(products)
    for row in rows:
        if not node(row.fulfillment_node_id) and not product(row.product_id):
            yield row


def _matcher(patterns: Sequence[str]) -> t.Callable[[str], object]:
    if not patterns:
        return lambda _value: False
    # Only `*` is special; fnmatch would read `[` and `?` too.
    plain = [pattern.replace("[", "[[]").replace("?", "[?]") for pattern in patterns]
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in plain)).match


def _checked(where: str, values: Sequence[t.Any], names: Mapping[str, str]) -> OnHandRow:
    node, product, quantity, as_of = values
    for column, value in (("fulfillment_node_id", node), ("product_id", product)):
        if value is None or str(value).strip() == "":
            raise OnHandError(f"{where}: {names[column]} is empty")
    amount = _integer(quantity, where, names["quantity"])
    if amount is None:
        raise OnHandError(f"{where}: {names['quantity']} is empty; write 0 for none")
    moment = _integer(as_of, where, names["as_of_logical_timestamp"])
    return OnHandRow(str(node).strip(), str(product).strip(), amount, moment)


def _integer(value: object, where: str, name: str) -> int | None:
    """Read a whole number; a fraction is an error, it is never cut off."""
    text = "" if value is None else str(value).strip()
    if text == "":
        return None
    if not _WHOLE_NUMBER.fullmatch(text) or isinstance(value, bool):
        raise OnHandError(f"{where}: {name} is {text!r}, expected a whole number")
    result = int(text.partition(".")[0])
    if not -(2**63) <= result <= INT64_MAX:
        raise OnHandError(f"{where}: {name} is {text}, beyond 64 bits")
    return result


def _csv_rows(url: str, names: Mapping[str, str]) -> Iterator[tuple[str, list[t.Any]]]:
    try:
        with fsspec.open(url, "rt", encoding="utf-8-sig", newline="", compression="infer") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            at = [_find(header, name, url) for name in names.values()]
            for row in reader:
                if not row:
                    continue
                where = f"{url}, line {reader.line_num}"
                if len(row) != len(header):
                    raise OnHandError(f"{where}: {len(row)} values under {len(header)} column names")
                yield where, [row[index] for index in at]
    except (OSError, UnicodeError, csv.Error, ImportError, ValueError) as error:
        raise OnHandError(f"on_hand_url: cannot read {url}: {error}") from error


def _find(header: Sequence[str], name: str, url: str) -> int:
    if header.count(name) != 1:
        found = "twice" if name in header else "not"
        raise OnHandError(f"{url}: column {name} is {found} in the header row ({', '.join(header)})")
    return header.index(name)


def _sql_rows(
    url: str, table: str | None, query: str | None, names: Mapping[str, str]
) -> Iterator[tuple[str, list[t.Any]]]:
    source = table or "on_hand_query"
    try:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            rows = connection.execute(_select(table, query, names), execution_options=STREAMED)
            for count, row in enumerate(rows, start=1):
                yield f"{source}, row {count} ({row[0]}, {row[1]})", list(row)
        engine.dispose()
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise OnHandError(f"on_hand_url: cannot read {source}: {cause}") from error


def _select(table: str | None, query: str | None, names: Mapping[str, str]) -> sa.Select[t.Any]:
    columns: list[sa.ColumnClause[t.Any]] = [sa.column(name) for name in names.values()]
    if query:
        return sa.select(*columns).select_from(sa.text(f"({query}) AS on_hand_query"))
    if not table:
        raise ConfigurationError("on_hand_table or on_hand_query: one of them is required with a SQL on_hand_url")
    schema, _, name = table.rpartition(".")
    return sa.select(*columns).select_from(sa.table(name, *columns, schema=schema or None))
