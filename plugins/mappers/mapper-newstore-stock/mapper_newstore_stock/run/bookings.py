"""The ERP's bookings: which completions it has booked, as proof of what its numbers contain (form `booked`).

The bookings are read before the numbers, or at the same moment. A booking read later than the number would
prove a unit that is not in it; one read earlier can only leave a unit unproven, which undersells until the
next run.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.run.on_hand import INT64_MAX

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mapper_newstore_stock.run.erp_tables import ErpTables, Place

#: What a booking may be known by.
REFERENCES = ("event_id", "fulfillment_request_id", "order_id")
#: What else a booking may say.
DETAILS = ("product_id", "units", "fulfillment_node_id")

_WHOLE_NUMBER = re.compile(r"(\d+)(\.0+)?", re.ASCII)

#: Reference, product, fulfillment node (None: not said), units (None: all of the event).
Booking = tuple[str, str | None, str | None, int | None]


@dataclasses.dataclass(frozen=True)
class BookingSource:
    """Where the ERP says what it has booked.

    Attributes:
        place: The table, query or CSV.
        columns: The source's names for `event_id`, `fulfillment_request_id` or `order_id`, and for `product_id`,
            `units` and `fulfillment_node_id`. Which of them are named says what a booking is known by.
        is_reversible: A booking may be taken back: then only what is listed now is proven.
    """

    place: Place
    columns: Mapping[str, str]
    is_reversible: bool = False

    @classmethod
    def found(cls, place: Place, names: Sequence[str], *, is_reversible: bool = False) -> t.Self:
        """Return the source whose columns are called what they are, known by the most precise reference it has.

        Raises:
            ConfigurationError: it has none.
        """
        reference = next((name for name in REFERENCES if name in names), None)
        if reference is None:
            raise ConfigurationError(
                f"booked_columns: {place.name} has no column {', '.join(REFERENCES[:-1])} or {REFERENCES[-1]} "
                f"({', '.join(names)}). Name the one a booking is known by"
            )
        return cls(place, {name: name for name in (reference, *DETAILS) if name in names}, is_reversible)

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
        """What changes when bookings mean something else: then every unit is proven anew."""
        return json.dumps([self.reference, sorted(self._wanted), self.is_reversible])

    @property
    def _wanted(self) -> list[str]:
        """The columns that are read."""
        needed = [] if self.is_of_whole_events else ["product_id"]
        optional = [name for name in ("product_id", "fulfillment_node_id", "units") if name in self.columns]
        return [self.reference, *dict.fromkeys([*needed, *optional])]

    def rows(self, erp: ErpTables) -> Iterator[Booking]:
        """Read the bookings.

        Raises:
            OnHandError: the source cannot be read, or a row is not usable; names row and column.
        """
        wanted = self._wanted
        names = [self.columns.get(name, name) for name in wanted]
        places = {name: wanted.index(name) for name in wanted}
        # A booking of a product is of one unit, unless it says otherwise; one of an event is of all its units.
        without_units = None if self.reference == "event_id" else 1
        product, node, units = (places.get(name) for name in ("product_id", "fulfillment_node_id", "units"))
        texts = len(wanted) - (units is not None)
        for position, values in erp.rows(self.place, names):
            is_plain = all(type(value) is str and value and value == value.strip() for value in values[:texts])
            if not is_plain or (units is not None and not (type(values[units]) is int and values[units] >= 0)):
                values = self._examined(position, values, names, units)  # noqa: PLW2901 - the same row, as it should be
            yield (
                values[0],
                None if product is None else values[product],
                None if node is None else values[node],
                without_units if units is None else values[units],
            )

    def _examined(self, position: int, values: Sequence[t.Any], names: Sequence[str], units: int | None) -> list[t.Any]:
        """Return a row whose values are not plain, and say what is wrong with it."""
        where = self.place.row(position, *values[:2])
        read: list[t.Any] = []
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            text = "" if value is None else str(value).strip()
            if text == "":
                raise OnHandError(f"{where}: {name} is empty")
            if number == units:
                read.append(_units(text, where, name))
            elif isinstance(value, (bytes, float, bool)):
                raise OnHandError(f"{where}: {name} is of type {type(value).__name__}, expected text")
            else:
                read.append(text)
        return read


def _units(text: str, where: str, name: str) -> int:
    # A decimal column gives its zeros too.
    whole = _WHOLE_NUMBER.fullmatch(text)
    if not whole or int(whole[1]) > INT64_MAX:
        raise OnHandError(f"{where}: {name} is {text!r}, expected a whole number, not negative")
    return int(whole[1])
