"""The ERP's bookings: which completions it has booked, as proof of what its numbers contain (form `booked`).

The bookings are read before the numbers, or at the same moment. A booking read later than the number would
prove a unit that is not in it; one read earlier can only leave a unit unproven, which undersells until the
next run.
"""

from __future__ import annotations

import json
import typing as t

import msgspec

from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.events import as_kept
from mapper_newstore_stock.run.csv_hints import hint
from mapper_newstore_stock.run.identities import identity
from mapper_newstore_stock.run.list_ends import is_blank
from mapper_newstore_stock.run.row_problems import RowProblems
from mapper_newstore_stock.run.sql_rows import rows_of
from mapper_newstore_stock.run.whole_numbers import UNITS_END, NumberReader
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.found_rows import Found
    from mapper_newstore_stock.run.list_writer import ListWriter
    from mapper_newstore_stock.run.places import Place

#: What a booking may be known by.
REFERENCES = ("event_id", "fulfillment_request_id", "order_id")
#: What else a booking may say.
DETAILS = ("product_id", "units", "fulfillment_node_id")

#: Reference, product, fulfillment node (None: not said), units (None: all of the event).
Booking = tuple[str, str | None, str | None, int | None]


class BookingSource(Value, frozen=True):
    """Where the ERP says what it has booked.

    Attributes:
        place: The table, query or CSV.
        columns: The source's names for `event_id`, `fulfillment_request_id` or `order_id`, and for `product_id`,
            `units` and `fulfillment_node_id`. Which of them are named says what a booking is known by.
        is_reversible: A booking may be taken back: then only what is listed now is proven.
        numbers: Reads whole numbers.
    """

    place: Place
    columns: Mapping[str, str]
    is_reversible: bool = False
    numbers: NumberReader = msgspec.field(default_factory=NumberReader)

    @classmethod
    def found(cls, place: Place, names: Sequence[str], **options: t.Any) -> t.Self:
        """Return the source whose columns are called what they are, known by the most precise reference it has.

        Raises:
            ConfigurationError: it has none.
        """
        reference = next((name for name in REFERENCES if name in names), None)
        if reference is None:
            raise ConfigurationError(
                f"booked_columns: {place.name} has no column {', '.join(REFERENCES[:-1])} or {REFERENCES[-1]} "
                f"({', '.join(names)}). Name the one a booking is known by{_hint(place, names)}"
            )
        return cls(place, {name: name for name in (reference, *DETAILS) if name in names}, **options)

    @property
    def reference(self) -> str:
        """What a booking is known by.

        Raises:
            ConfigurationError: more than one column is named for it.
        """
        named = [name for name in REFERENCES if name in self.columns]
        if not named:
            raise ConfigurationError("booked_columns: name what a booking is known by: " + ", ".join(REFERENCES))
        if len(named) > 1:
            raise ConfigurationError(f"booked_columns: {' and '.join(named)} are named; name one of them")
        return named[0]

    @property
    def is_of_whole_events(self) -> bool:
        """Whether a booking is of an event with all its products and units."""
        return self.reference == "event_id" and not {"product_id", "units"} & self.columns.keys()

    @property
    def fingerprint(self) -> str:
        """What changes when bookings mean something else: then every unit is proven anew; `reference_of` reads it."""
        return json.dumps([self.reference, sorted(self._wanted), self.is_reversible])

    @property
    def _wanted(self) -> list[str]:
        """The columns that are read."""
        needed = [] if self.is_of_whole_events else ["product_id"]
        optional = [name for name in ("product_id", "fulfillment_node_id", "units") if name in self.columns]
        return [self.reference, *dict.fromkeys([*needed, *optional])]

    @property
    def names(self) -> list[str]:
        """The source's own names of the columns that are read."""
        return [self.columns.get(name, name) for name in self._wanted]

    def rows(self, erp: ErpTables, writer: ListWriter | None = None) -> Iterator[Booking]:
        """Read the bookings; a writer keeps the list while it is read.

        Raises:
            OnHandError: the source cannot be read, or rows cannot be used; names them.
        """
        problems = RowProblems(self.place.name)

        def damaged(position: int, _values: Sequence[t.Any], wrong: str) -> None:
            problems.add(f"{self.place.name}, line {position}: {wrong}")

        return self._read(erp.rows(self.place, self.names, damaged, writer=writer), problems)

    def rows_of_lines(
        self, header: bytes, lines: Iterable[tuple[int, bytes]], wanted: set[str] | None = None
    ) -> Iterator[Booking]:
        """Read the bookings of some lines of a list, each of them by itself.

        Args:
            header: The line that names the columns; empty: there is none.
            lines: Each with its number.
            wanted: The references to read; None: all.

        Raises:
            CannotCompareError: one cannot be read without those around it.
            OnHandError: one cannot be used.
        """
        place = self.place
        found = place.csv.rows_of_lines(header, lines, self.names) if place.is_csv else rows_of(lines)
        if wanted is None:
            return self._read(found, RowProblems(place.name))
        # One that is not plain may be written otherwise than it is known.
        some = (row for row in found if row[1][0] in wanted or not _is_plain(row[1][0]))
        return (row for row in self._read(some, RowProblems(place.name)) if row[0] in wanted)

    def _read(self, found: Iterable[Found], problems: RowProblems) -> Iterator[Booking]:
        wanted, names = self._wanted, self.names
        places = {name: wanted.index(name) for name in wanted}
        # A booking of a product is of one unit, unless it says otherwise; one of an event is of all its units.
        without_units = None if self.reference == "event_id" else 1
        product, node, units = (places.get(name) for name in ("product_id", "fulfillment_node_id", "units"))
        texts = len(wanted) - (units is not None)
        for position, values in found:
            is_plain = all(map(_is_plain, values[:texts]))
            if is_plain and units is not None:
                is_plain = type(values[units]) is int and 0 <= values[units] < UNITS_END
            if not is_plain:
                if is_blank(values) and self.place.is_csv:
                    continue
                try:
                    values = self._examined(values, names, units)  # noqa: PLW2901 - the same row, as it should be
                except ValueError as error:
                    problems.add(f"{self.place.row(position, *values[:2])}: {error}")
                    continue
            yield (
                values[0],
                None if product is None else values[product],
                None if node is None else values[node],
                without_units if units is None else values[units],
            )
        problems.refuse()

    def _examined(self, values: Sequence[t.Any], names: Sequence[str], units: int | None) -> list[t.Any]:
        """Return a row whose values are not plain.

        Raises:
            ValueError: it cannot be used; says why.
        """
        read: list[t.Any] = []
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            try:
                read.append(self._units(value) if number == units else _text(value, is_reference=number == 0))
            except ValueError as error:
                raise ValueError(f"{name} {error}") from error
        return read

    def _units(self, value: object) -> int:
        units = self.numbers.read_units(value)
        if units is None:
            raise ValueError("is empty")
        if units < 0:
            raise ValueError(f"is '{units}', expected a whole number, not negative")
        return units


def reference_of(fingerprint: str) -> str:
    """Return what a fingerprint of bookings says that they are known by."""
    return str(json.loads(fingerprint)[0])


def _hint(place: Place, names: Sequence[str]) -> str:
    """Return what to do about a header row without a reference; "" when nobody knows."""
    if place.is_sql:
        return ""
    return next(filter(None, (hint(names, name, place.setting, place.layout.delimiter) for name in REFERENCES)), "")


def _is_plain(value: object) -> bool:
    """Return whether a value is a text as it is kept."""
    return type(value) is str and value.isprintable() and value.strip() == value != ""


def _text(value: object, *, is_reference: bool) -> str:
    if is_reference and isinstance(value, (bytes, bytearray, memoryview)):
        raise ValueError(f"is of type {type(value).__name__}, expected text: NewStore's ids are texts")
    text = as_kept(identity(value))
    if text == "":
        raise ValueError("is empty")
    return text
