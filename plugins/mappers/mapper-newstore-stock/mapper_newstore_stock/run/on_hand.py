"""The ERP's on-hand numbers, each with what it says of the completions it contains."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.run.globs import matcher
from mapper_newstore_stock.run.moments import MomentReader

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.ledger.proof import Form
    from mapper_newstore_stock.run.erp_tables import ErpTables, Found, Place
    from mapper_newstore_stock.state import Cursor

#: What every source must provide, in this order; `on_hand_columns` maps them to its own names.
COLUMNS = ("fulfillment_node_id", "product_id", "quantity")
#: What the forms of proof ask for beside them.
AS_OF, TAKEN_AT = "as_of_logical_timestamp", "taken_at"
#: What to do when it is missing.
ADVICE = {
    AS_OF: "Only on_hand_as_of: column asks for it, the timestamp up to which a number contains every completion; "
    "taken_at, booked and current need none (docs/design.md, the forms of proof)",
    TAKEN_AT: "on_hand_columns: name the column for taken_at, which says when each number was taken",
}
INT64_MAX = 2**63 - 1
_WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)

#: fulfillment_node_id, product_id, quantity, and by the form of proof: the logical timestamp up to which the number
#: contains every completion (`column`; None: it contains none yet), or the moment it was taken in epoch
#: milliseconds (`taken_at`), or None.
OnHandRow = tuple[str, str, int, int | None]


class UnusableRow(t.NamedTuple):
    """A row of the list that gives its key no number; `reason` is one line for people."""

    fulfillment_node_id: str
    product_id: str
    reason: str


@dataclasses.dataclass
class OnHandSource:
    """Where the ERP's numbers are.

    Attributes:
        place: The table, query or CSV.
        form: How a number proves what it contains.
        columns: The source's names; a column left out keeps its name.
        ignored_nodes: Fulfillment nodes to leave out (`*` globs).
        ignored_products: Products to leave out (`*` globs).
        updated_column: Column of a SQL source that grows whenever a row changes.
        zone: Of moments that name none (`taken_at`).
        latest: Epoch milliseconds; a number cannot have been taken later.
        cursor: The highest value of `updated_column` read.
    """

    place: Place
    form: Form = "column"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    updated_column: str | None = None
    zone: str = "UTC"
    latest: int = INT64_MAX
    cursor: Cursor | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with every setting, so it tells whether a cursor was read from the same rows."""
        place = [self.place.url, self.place.table, self.place.query]
        read = [*place, dict(self.columns), self.updated_column, self.form]
        parts = [read, list(self.ignored_nodes), list(self.ignored_products)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def says_when(self) -> bool:
        """Whether each row says when it was taken; otherwise all of them were taken at one moment."""
        return self.form == "taken_at" and TAKEN_AT in self.columns

    @property
    def names(self) -> list[str]:
        """The columns that are read, by the source's own names."""
        wanted = [*COLUMNS, AS_OF] if self.form == "column" else [*COLUMNS, TAKEN_AT] if self.says_when else COLUMNS
        names = [self.columns.get(column, column) for column in wanted]
        return [*names, self.updated_column] if self.updated_column else names

    def rows(
        self, erp: ErpTables, since: Cursor | None = None, unusable: Callable[[UnusableRow], None] | None = None
    ) -> Iterator[OnHandRow]:
        """Read the rows, one at a time.

        Args:
            erp: Reads tables.
            since: Leave out rows whose `updated_column` is lower.
            unusable: Takes rows that give their key no number; None: they are an error.

        Raises:
            OnHandError: the source cannot be read, or a row cannot be used; names row and column.
            ConfigurationError: the settings do not fit the source.
        """
        del unusable
        self.cursor = since
        names = self.names
        found = erp.rows(self.place, names, self._changed_since(since))
        if self.updated_column:
            found = self._watching(found)
        read = self._read_dated if self.says_when else _plain if self.form == "column" else _plain_number
        ignored = _matcher(self.ignored_nodes, self.ignored_products)
        try:
            for position, values in found:
                row = read(*values[:4]) or self._examine(position, values, names)
                if ignored is None or not ignored(row[0], row[1]):
                    yield row
        except OnHandError as error:
            raise self._with_advice(error) from error

    def _with_advice(self, error: OnHandError) -> OnHandError:
        """Say what to do when the column is missing that the form of proof asks for."""
        column = {"column": AS_OF, "taken_at": TAKEN_AT}.get(self.form, "")
        name, is_of_row = self.columns.get(column, column), str(error).startswith(f"{self.place.name}, ")
        return OnHandError(f"{error}. {ADVICE[column]}") if name and name in str(error) and not is_of_row else error

    def _read_dated(self, node: object, product: object, quantity: object, taken_at: object) -> OnHandRow | None:
        row = _plain(node, product, quantity, None)
        moment = self._moments.known(taken_at) if row else None
        return None if row is None or moment is None or moment > self.latest else (*row[:3], moment)

    def _examine(self, position: int, values: Sequence[t.Any], names: Sequence[str]) -> OnHandRow:
        """Read a row that is not plain.

        Raises:
            OnHandError: a value cannot be used.
        """
        node, product, quantity = values[:3]
        where = self.place.row(position, node, product)
        for name, value in zip(names, (node, product), strict=False):
            if value is None or str(value).strip() == "":
                raise OnHandError(f"{where}: {name} is empty")
        amount = _integer(quantity, where, names[2])
        if amount is None:
            raise OnHandError(f"{where}: {names[2]} is empty; write 0 for none")
        says = None
        if self.form == "column":
            says = _integer(values[3], where, names[3])
        elif self.says_when:
            says = self._moment(values[3], where, names[3])
        return str(node).strip(), str(product).strip(), amount, says

    def _moment(self, value: object, where: str, name: str) -> int:
        try:
            moment = self._moments.read(value)
        except ValueError as error:
            raise OnHandError(f"{where}: {name} is {value!r}: {error}") from error
        if moment > self.latest:
            raise OnHandError(
                f"{where}: {name} is {value}, in the future. Correct the ERP's clock, or set taken_at_timezone to the "
                f"zone its times are written in"
            )
        return moment

    @property
    def _moments(self) -> MomentReader:
        return MomentReader.of(self.zone)

    def _watching(self, found: Iterator[Found]) -> Iterator[Found]:
        place = len(self.names) - 1
        for position, values in found:
            if values[place] is not None:
                self._advance(_as_json(values[place]))
            yield position, values[:place]

    def _advance(self, value: Cursor) -> None:
        if self.cursor is None or value > self.cursor:  # type: ignore[operator]
            self.cursor = value

    def _changed_since(self, since: Cursor | None) -> sa.ColumnElement[bool] | None:
        if not self.updated_column or since is None:
            return None
        if not self.place.is_sql:
            raise ConfigurationError("on_hand_updated_column: it needs a database as on_hand_url; a CSV is read whole")
        column: sa.ColumnClause[t.Any] = sa.column(self.updated_column)
        # Inclusive: another row may have got the same moment after it was read.
        # Untyped, so that the database compares it as what the column holds.
        moment: sa.BindParameter[t.Any] = sa.bindparam("since", since, type_=sa.types.NullType())
        return sa.or_(column >= moment, column.is_(None))


def _matcher(nodes: Sequence[str], products: Sequence[str]) -> Callable[[str, str], object] | None:
    if not nodes and not products:
        return None
    node, product = matcher(nodes), matcher(products)
    return lambda node_id, product_id: (node and node(node_id)) or (product and product(product_id))


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


def _plain_number(node: object, product: object, quantity: object) -> OnHandRow | None:
    return _plain(node, product, quantity, None)


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
