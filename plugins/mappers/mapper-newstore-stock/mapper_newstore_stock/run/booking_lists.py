"""Reads the list of the ERP's bookings: all of it, or only those that can prove something new.

What is proven stays so while neither the bookings of a reference change nor the units known by it. So where the ledger
says what the last list was, byte for byte, and the last run compared all units with it, only the references of lines
that differ, and of units that came since, are looked at. Both ways end with the same units proven and the same words.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import analyze, empty, load
from mapper_newstore_stock.ledger.temporary_tables import asked_reference, read_booking
from mapper_newstore_stock.run.booked_groups import known_before, known_in
from mapper_newstore_stock.run.csv_lists import NOT_ALONE
from mapper_newstore_stock.run.kept_lists import KeptBookings, KeptPlace, difference_from_last
from mapper_newstore_stock.run.line_diff import CannotCompareError
from mapper_newstore_stock.run.list_writer import ListWriter
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.booked_units import Unproven
    from mapper_newstore_stock.run.bookings import Booking, BookingSource
    from mapper_newstore_stock.run.erp_tables import ErpTables

logger = logging.getLogger("mapper-newstore-stock.bookings")

#: With more references than these, all bookings are compared as fast.
MOST_REFERENCES = 100_000


class ReadBookings(Value, frozen=True):
    """What was read of a list of bookings.

    Attributes:
        count: How many there are.
        asked: Only those of `asked_reference` are in `read_booking`; what the others prove is known.
        unknown: How many others, added up, are of no completion the ledger knows.
    """

    count: int
    asked: bool = False
    unknown: int = 0


class KeptBookingsPlace(KeptPlace, frozen=True):
    """Where a list of bookings is kept between runs.

    Attributes:
        run: This run.
        said: What the ledger says of the last list, if all units were compared with it that were known before this
            run; None: they were not.
    """

    run: int = 0
    said: KeptBookings | None = None

    @classmethod
    def of(cls, ledger: Ledger, file: Path | None, last: KeptBookings | None, fingerprint: str) -> t.Self:
        """Return where a list is kept.

        Args:
            ledger: The run's hold on the ledger.
            file: The file; None: nowhere.
            last: What the ledger says of the last one.
            fingerprint: Tells whether the same settings read it.
        """
        is_of_the_run_before = last is not None and last.run == ledger.run_before
        return cls(
            file,
            None if last is None else last.list,
            fingerprint,
            ledger.run,
            last if is_of_the_run_before else None,
        )


class BookingReader:
    """One reading of a list of bookings. Use it in a `with` block, and `keep` the list at its end.

    Args:
        connection: The ledger's.
        source: Where the bookings are.
        kept: Where they are kept between runs.
    """

    def __init__(self, connection: sa.Connection, source: BookingSource, kept: KeptBookingsPlace) -> None:
        self._connection = connection
        self._source = source
        self._kept = kept
        self._resources = contextlib.ExitStack()
        self._writer = ListWriter(None)
        self._count = 0

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def load(self, erp: ErpTables) -> ReadBookings:
        """Read bookings into `read_booking`.

        Raises:
            OnHandError: the list cannot be read, or has bookings that cannot be used; names them.
        """
        read = self._load_difference(erp)
        if read is None:
            self._begin()
            read = ReadBookings(load_bookings(self._connection, self._source, erp, self._writer))
        self._count = read.count
        return read

    def keep(self, unproven: Unproven) -> KeptBookings | None:
        """Keep the list for the next run; return what the ledger is to say of it, None: it is not kept."""
        # Who has booked too much is named in every run.
        if unproven.is_too_much:
            return None
        kept = self._writer.keep(self._kept.fingerprint, self._count)
        return None if kept is None else KeptBookings(kept, self._kept.run, unproven.unknown)

    def _begin(self) -> None:
        self._resources.close()
        self._writer = self._resources.enter_context(ListWriter(self._kept.file))

    def _load_difference(self, erp: ErpTables) -> ReadBookings | None:
        if self._kept.said is None or not self._kept.can_be_compared:
            return None
        self._begin()
        try:
            return self._difference(self._kept.said, erp)
        except CannotCompareError as error:
            logger.info("All bookings are read: %s", error)
            return None

    def _difference(self, last: KeptBookings, erp: ErpTables) -> ReadBookings:
        with erp.lines(self._source.place, self._source.names) as new:
            header = new.header
            found = difference_from_last(self._kept, new, self._writer)
        gone = self._bookings(header, ((0, line) for line in found.gone))
        come = self._bookings(header, found.come)
        count = last.list.rows - len(gone) + len(come)
        self._ask({row[0] for row in (*gone, *come)})
        wanted = set(self._connection.scalars(sa.select(asked_reference.c.reference)))
        logger.debug("The bookings of %d references are looked at again", len(wanted))
        if len(wanted) > MOST_REFERENCES:
            raise CannotCompareError("most of it proves something new")
        lines = enumerate(itertools.islice(self._writer.taken(), 1 if header else 0, None))
        now = self._bookings(header, lines, wanted) if wanted else []
        empty(self._connection, read_booking)
        load(self._connection, read_booking, now)
        analyze(self._connection, read_booking)
        before = collections.Counter(now)
        before.subtract(come)
        before.update(gone)
        return ReadBookings(count, asked=True, unknown=last.unknown - self._unknown(+before))

    def _ask(self, references: set[str]) -> None:
        """Fill `asked_reference` with these, and those of units that came in this run."""
        connection, asked = self._connection, asked_reference.c.reference
        empty(connection, asked_reference)
        load(connection, asked_reference, ((reference,) for reference in references))
        came = known_in(self._source, self._kept.run).subquery("came").c
        new = sa.select(came.reference).where(came.reference.not_in(sa.select(asked)))
        connection.execute(asked_reference.insert().from_select([asked], new))
        analyze(connection, asked_reference)

    def _bookings(
        self, header: bytes, lines: Iterable[tuple[int, bytes]], wanted: set[str] | None = None
    ) -> list[Booking]:
        """Return the bookings of lines, all or those of some references."""
        try:
            return list(self._source.rows_of_lines(header, lines, wanted))
        except OnHandError as error:
            raise CannotCompareError(NOT_ALONE) from error

    def _unknown(self, before: Iterable[Booking]) -> int:
        """Return how many of the last list's bookings, added up, were of no completion the ledger knew before."""
        groups = {(reference, product or "", node or "") for reference, product, node, _ in before}
        if not groups:
            return 0
        known = set(self._connection.scalars(known_before(self._source, self._kept.run)))
        return sum(reference not in known for reference, _, _ in groups)


def load_bookings(
    connection: sa.Connection, source: BookingSource, erp: ErpTables, writer: ListWriter | None = None
) -> int:
    """Read the bookings of a source into `read_booking`, and return how many there are.

    Raises:
        OnHandError: a booking cannot be used.
    """
    empty(connection, read_booking)
    count = load(connection, read_booking, source.rows(erp, writer))
    analyze(connection, read_booking)
    return count
