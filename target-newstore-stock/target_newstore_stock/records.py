"""Stock records and the cuts they arrive in (design rule 8).

Pure: no files, no network. A cut is imported when it is complete, or not at all.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
import typing as t

import msgspec

from target_newstore_stock.errors import IncompleteCutError, RecordError

INT64_MAX = 2**63 - 1
#: A logical timestamp is an int64.
Timestamp = t.Annotated[int, msgspec.Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
#: From here on floats skip whole numbers: what is read may not be what was written.
FLOATS_SKIP = 2**53
SHOWN_CHARACTERS = 60


class StockRecord(msgspec.Struct, frozen=True, gc=False):
    """A stock record. Without the cut fields it is a plain record and belongs to no cut.

    The bounds come from newstore-api.md, section 3. A product's id may be longer here than in NewStore: then its item
    is left out (possible_keys.py).
    """

    fulfillment_node_id: t.Annotated[str, msgspec.Meta(min_length=1)]
    product_id: t.Annotated[str, msgspec.Meta(min_length=1)]
    quantity: t.Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
    logical_timestamp_start: Timestamp | None = None
    logical_timestamp_end: Timestamp | None = None
    cut_id: str | None = None
    cut_size: t.Annotated[int, msgspec.Meta(ge=1)] | None = None


@dataclasses.dataclass(frozen=True)
class CutHead:
    """What the records of an import share; `cut_id` and `size` are None for plain records.

    Attributes:
        range: First and last logical timestamp of the completions NewStore may stop subtracting.
    """

    cut_id: str | None = None
    size: int | None = None
    range: tuple[int, int] | None = None


def read_record(record: dict[str, t.Any]) -> StockRecord:
    """Check a record.

    Raises:
        RecordError: it is not a stock record; names the field.
    """
    quantity = record.get("quantity")
    if isinstance(quantity, (float, decimal.Decimal)):
        record = {**record, "quantity": _whole(quantity)}
    try:
        return msgspec.convert(record, StockRecord)
    except msgspec.ValidationError as error:
        raise RecordError(
            f"not a stock record{_key(record)}: {error}. Expected fulfillment_node_id, product_id and quantity (a "
            f"whole number, from 0 to {INT64_MAX}), and for cuts logical_timestamp_start, logical_timestamp_end, "
            f"cut_id, cut_size"
        ) from error


def _whole(quantity: float | decimal.Decimal) -> float | decimal.Decimal:
    """Return a quantity as an int if it is whole, as in 7.0, and surely what was written; else as it is."""
    if math.isfinite(quantity) and -FLOATS_SKIP < quantity < FLOATS_SKIP and quantity == int(quantity):
        return int(quantity)
    return quantity


def _key(record: dict[str, t.Any]) -> str:
    """Return the key of a record as an error names it; "" if it has none."""
    parts = [record.get(name) for name in ("fulfillment_node_id", "product_id")]
    named = [repr(part[:SHOWN_CHARACTERS])[1:-1] for part in parts if isinstance(part, str)]
    return f" ({'/'.join(named)})" if len(named) == len(parts) else ""


def head_of(record: StockRecord) -> CutHead:
    """Return the head of the cut a record belongs to.

    Raises:
        RecordError: the cut fields contradict each other.
    """
    start, end = record.logical_timestamp_start, record.logical_timestamp_end
    if (start is None) != (end is None) or (start is not None and end is not None and start > end):
        raise RecordError(
            f"logical_timestamp_start {start} and logical_timestamp_end {end} are not a range",
            to_do="Correct what writes the records",
        )
    if (record.cut_id is None) != (record.cut_size is None):
        raise RecordError("cut_id and cut_size: give both or none")
    if record.cut_id is None and start is not None:
        raise RecordError(
            "a record with a range of logical timestamps needs cut_id and cut_size",
            to_do="Correct what writes the records",
        )
    return CutHead(record.cut_id, record.cut_size, (start, end) if start is not None and end is not None else None)


class CutProgress:
    """The cut that is arriving, and how many of its records have come.

    Attributes:
        head: Head of the open cut; None between cuts.
        count: How many of its records have come.
    """

    def __init__(self) -> None:
        self.head: CutHead | None = None
        self.count = 0
        self._fields: tuple[t.Any, ...] = ()

    @property
    def is_open(self) -> bool:
        """A cut has begun and is not imported yet."""
        return self.head is not None

    @property
    def is_complete(self) -> bool:
        """The last record of the cut has come."""
        return self.head is not None and self.count == self.head.size

    def continues(self, record: StockRecord, stream: str = "") -> bool:
        """Return whether a record continues the open cut; only compares the cut fields, which `head_of` has checked."""
        return self._fields == (
            stream,
            record.cut_id,
            record.cut_size,
            record.logical_timestamp_start,
            record.logical_timestamp_end,
        )

    def begin(self, head: CutHead, stream: str = "") -> None:
        """Open a cut; its records are those of one stream.

        Raises:
            RecordError: the cut before it is not complete.
        """
        if self.head is not None:
            other = "" if stream == self._fields[0] else " of another stream"
            raise RecordError(
                f"cut {self.head.cut_id} has {self.count} of {self.head.size} records, and the next record is of "
                f"cut {head.cut_id} ({head.size} records, range {head.range}){other}: nothing of either was imported",
                to_do="Let nothing change or drop the mapper's records",
            )
        self.head = head
        self._fields = (stream, head.cut_id, head.size, *(head.range or (None, None)))

    def require_head(self) -> CutHead:
        """Return the head of the open cut."""
        if self.head is None:
            raise RecordError("no cut is open")
        return self.head

    def reset(self) -> None:
        """Forget the cut, after it was imported."""
        self.head, self.count, self._fields = None, 0, ()

    def refuse_open_cut(self) -> None:
        """Raise IncompleteCutError if a cut is open: the input has ended."""
        if self.head is not None:
            raise IncompleteCutError(
                f"the input ended inside cut {self.head.cut_id}, after {self.count} of {self.head.size} records: "
                f"nothing of it was imported and no state is written. Run again; the cut comes again"
            )
