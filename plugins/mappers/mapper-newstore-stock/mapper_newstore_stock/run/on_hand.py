"""The ERP's on-hand numbers, each with what it says of the completions it contains."""

from __future__ import annotations

import itertools
import typing as t

import msgspec

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.run.fingerprints import fingerprint
from mapper_newstore_stock.run.moments import MomentReader
from mapper_newstore_stock.run.row_reading import RowReader, UnusableRow
from mapper_newstore_stock.run.whole_numbers import INT64_MAX, NumberReader
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.ledger.proof import Form
    from mapper_newstore_stock.run.changed_rows import ChangedRows
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.places import Place

__all__ = ["OnHandRow", "OnHandSource", "UnusableRow"]

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

#: fulfillment_node_id, product_id, quantity, and by the form of proof: the logical timestamp up to which the number
#: contains every completion (`column`; None: it contains none yet), or the moment it was taken in epoch
#: milliseconds (`taken_at`), or None.
OnHandRow = tuple[str, str, int, int | None]


def columns_asked(form: Form, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Return our names of the columns that are read; the last is what the form of proof asks for ("": nothing).

    Args:
        form: How a number proves what it contains.
        columns: The source's names by ours.
    """
    says_when = form == "taken_at" and TAKEN_AT in columns
    return (*COLUMNS, AS_OF if form == "column" else TAKEN_AT if says_when else "")


class OnHandSource(Value, frozen=True):
    """Where the ERP's numbers are.

    Attributes:
        place: The table, query or CSV.
        form: How a number proves what it contains.
        columns: The source's names; a column left out keeps its name.
        ignored_nodes: Fulfillment nodes to leave out (`*` globs).
        ignored_products: Products to leave out (`*` globs).
        updated_column: Column of a SQL source that grows whenever a row changes.
        zone: Of moments that name none.
        skew_ms: How far the clocks of those who write rows may differ.
        latest: Epoch milliseconds; a number cannot have been taken later.
        numbers: Reads whole numbers.
        taken_by: What else decides which of the rows that were read are taken.
    """

    place: Place
    form: Form = "column"
    columns: Mapping[str, str] = msgspec.field(default_factory=dict)
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    updated_column: str | None = None
    zone: str = "UTC"
    skew_ms: int = 0
    latest: int = INT64_MAX
    numbers: NumberReader = msgspec.field(default_factory=NumberReader)
    taken_by: Sequence[t.Any] = ()

    @property
    def fingerprint(self) -> str:
        """Changes with every setting: tells whether what lies below a cursor would be read from the same rows today."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        # The time of a run is no setting.
        return fingerprint(said | {"latest": None, "numbers": self.numbers.separators})

    @property
    def says_when(self) -> bool:
        """Whether each row says when it was taken; otherwise all of them were taken at one moment."""
        return self.form == "taken_at" and TAKEN_AT in self.columns

    @property
    def names(self) -> list[str]:
        """The source's own names of node, product, quantity, and of what the form of proof asks for ("": nothing)."""
        return [self.columns.get(column, column) for column in columns_asked(self.form, self.columns)]

    @property
    def moments(self) -> MomentReader:
        """Reads what rows say of when they were taken."""
        return MomentReader.of(self.zone)

    def said(self, value: object) -> int | None:
        """Return what a row says of the completions it contains.

        Raises:
            ValueError: it cannot be used as it is.
        """
        if not self.says_when:
            return self.numbers.read(value)
        moment = self.moments.read(value)
        if moment > self.latest:
            raise ValueError(f"is {value}, in the future")
        return moment

    def rows(
        self,
        erp: ErpTables,
        changed: ChangedRows | None = None,
        unusable: Callable[[UnusableRow], None] | None = None,
    ) -> Iterator[OnHandRow]:
        """Read the rows, one at a time; whether all can be used shows only at the end.

        Args:
            erp: Reads tables.
            changed: Which rows to read; None: all.
            unusable: Takes rows of which only the key can be used, and reading goes on; None: they are an error.

        Raises:
            OnHandError: the source cannot be read, has no row at all, or has rows that cannot be used; names them.
            ConfigurationError: the settings do not fit the source.
        """
        reader = RowReader(self, unusable, is_whole=changed is None or changed.since is None)
        if changed is None:
            blocks = erp.blocks(self.place, self.names, reader.damaged)
            return itertools.chain.from_iterable(reader.rows_of_blocks(blocks))
        names = [*self.names, changed.column]
        found = erp.rows(self.place, names, reader.damaged, changed.condition)
        return reader.rows(changed.watching(found, reader.refuse))

    def with_advice(self, error: OnHandError) -> OnHandError:
        """Return an error of reading that also says what to do when the form of proof misses its column."""
        column = {"column": AS_OF, "taken_at": TAKEN_AT}.get(self.form, "")
        name, said = self.columns.get(column, column), str(error)
        is_missing = f"column {name} is not" in said or (said.startswith("on_hand_url: ") and name in said)
        return OnHandError(f"{error}. {ADVICE[column]}") if name and is_missing else error
