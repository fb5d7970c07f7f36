"""Reads every source into the ledger; one that cannot be read stops only its own keys."""

from __future__ import annotations

import contextlib
import logging
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import begin_writing_rows, empty, has_rows, undone_if_it_fails
from mapper_newstore_stock.ledger.proof import Proof, last_proofs
from mapper_newstore_stock.ledger.tables import on_hand
from mapper_newstore_stock.ledger.tables import source as source_table
from mapper_newstore_stock.ledger.temporary_tables import (
    foreign_row,
    gone_row,
    newly_booked,
    read_row,
    unusable_row,
)
from mapper_newstore_stock.run.absent_rows import mark_absent, mark_unusable, refuse_short_list, refuse_vanished
from mapper_newstore_stock.run.booked_units import prove_units
from mapper_newstore_stock.run.booking_lists import BookingReader, KeptBookingsPlace
from mapper_newstore_stock.run.changed_rows import SET_BACK, ChangedRows, Kept, LastReading
from mapper_newstore_stock.run.erp_rows import (
    add_first_rows,
    apply_rows,
    forget_refused,
    listed_nodes,
    refuse_duplicates,
    refuse_keys_of_two,
    rows_by_key,
    set_foreign_rows_aside,
)
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.folded_rows import set_rows_below_folded_aside
from mapper_newstore_stock.run.given_rows import gifts, give_rows, no_longer_named
from mapper_newstore_stock.run.kept_lists import KeptLists, KeptPlace, kept_lists
from mapper_newstore_stock.run.list_reading import ListReader
from mapper_newstore_stock.run.source_reads import SourceRead, let_rows_stand, proof_of_list
from mapper_newstore_stock.run.standing_rows import LastRead, forget_rows_that_are_back

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.booked_units import Unproven
    from mapper_newstore_stock.run.booking_lists import ReadBookings
    from mapper_newstore_stock.run.bookings import BookingSource
    from mapper_newstore_stock.run.kept_lists import ListFolder
    from mapper_newstore_stock.run.list_reading import ReadList
    from mapper_newstore_stock.run.sources import Source, Sources
    from mapper_newstore_stock.state import Cursor

logger = logging.getLogger("mapper-newstore-stock.on-hand")


class SourceReader:
    """Reads all sources of a run.

    Args:
        ledger: The run's hold on the ledger.
        sources: What to read.
        cursors: How far the ERP's changes had been read for the last cut NewStore has, by source.
        folder: Where lists are kept for the next run; None: nowhere.
        has_referred: Units that were known before are known by something new in this run.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: Sources,
        cursors: Mapping[str, Cursor],
        folder: ListFolder | None = None,
        *,
        has_referred: bool = False,
    ) -> None:
        self._ledger = ledger
        self._connection = ledger.connection
        self._sources = sources
        self._cursors = cursors
        self._folder = folder
        self._has_referred = has_referred
        self._last_proofs = last_proofs(ledger.connection)
        self._is_writing = False

    def read(self) -> dict[str, SourceRead]:
        """Read the rows of each source, and the bookings before them.

        Raises:
            OnHandError: none could be read, one may not be missing, or a key is in two of them.
        """
        empty(self._connection, newly_booked, foreign_row, unusable_row)
        gone = no_longer_named(self._connection, self._sources)
        given = gifts(self._connection, self._sources, gone)
        if gone or given:
            self._begin_writing()
            give_rows(self._connection, given, gone, self._ledger.unread_since)
            self._last_proofs = last_proofs(self._connection)
        found = {source.name: self._read(source) for source in self._sources}
        self._begin_writing()
        refuse_keys_of_two(self._connection, [name for name, read in found.items() if read.is_live])
        if all(read.is_too_old for read in found.values()):
            raise next(read.error for read in found.values() if read.error)
        return found

    def _read(self, source: Source) -> SourceRead:
        now_ms = int(self._sources.now() * 1000)
        if source.max_age_ms is None:
            return self._read_live(source, now_ms)
        try:
            with undone_if_it_fails(self._connection):
                return self._read_live(source, now_ms)
        except OnHandError as error:
            forget_refused(self._connection, source.name)
            return let_rows_stand(self._connection, source, self._last_proofs.get(source.name), now_ms, error)

    def _read_live(self, source: Source, now_ms: int) -> SourceRead:
        inputs, connection = source.inputs, self._connection
        last = self._last_reading(source)
        since, which = last.since(now_ms, source.full_read_ms) if last else (None, "")
        said, kept_bookings = kept_lists(connection, source.name), None
        with contextlib.ExitStack() as lists:
            reader = lists.enter_context(ListReader(connection, inputs.on_hand, self._kept_place(source, said)))
            bookings = inputs.bookings and lists.enter_context(self._booking_reader(source, said))
            with ErpTables() as erp:
                changed = ChangedRows.begin(inputs.on_hand, erp, last, since) if last else None
                if changed and changed.since != since:
                    since, which = None, SET_BACK
                proof = proof_of_list(connection, source, erp, self._last_proofs.get(source.name))
                source.refuse_old_list(now_ms)
                # Bookings that are read after the numbers would prove units that are not in them.
                booked = bookings.load(erp) if bookings else None
                read = reader.load(erp, changed)
            count = self._take(source, proof, read, is_whole=since is None)
            kept_list = reader.keep(count) if count == read.count else None
            if bookings and booked:
                kept_bookings = bookings.keep(self._prove(source, booked))
                logger.info("%d bookings read%s", booked.count, _of(source))
        logger.info("%d on-hand rows read%s%s", count, _of(source), which and f", {which}")
        return SourceRead(
            proof=proof,
            taken_at=inputs.list_taken_at or now_ms,
            kept=changed.kept() if changed else None,
            full_read_at=now_ms if since is None else last and last.full_read_at,
            kept_lists=KeptLists(kept_list, kept_bookings),
        )

    def _take(self, source: Source, proof: Proof, read: ReadList, *, is_whole: bool) -> int:
        """Take the rows that were read into `on_hand`; return how many the list has.

        Args:
            source: Whose rows they are.
            proof: How they prove what they contain.
            read: What was read.
            is_whole: A whole list was asked for, not only the rows that changed since another reading.
        """
        connection, has_all, place = self._connection, read.before is None, source.inputs.on_hand.place.name
        self._begin_writing()
        # Rows that none are compared with are sorted only once, on their way to their places.
        are_first = not has_rows(connection, on_hand)
        with rows_by_key(connection, 0 if are_first else read.changed):
            foreign, unusable = self._set_foreign_aside(source)
            if not are_first:
                refuse_duplicates(connection, None if has_all else source.name, place)
            below = set_rows_below_folded_aside(connection, source.name, proof)
            count, unusable = read.count - foreign - below, read.unusable - unusable + below
            if is_whole:
                refuse_short_list(connection, source.rules, count + unusable, read.before)
                refuse_vanished(connection, source.rules, has_all=has_all)
            # A run that died may have taken units younger than a change it did not read.
            run = self._ledger.unread_since
            if are_first:
                add_first_rows(connection, source.name, proof.form, run, place, spans=read.spans)
            else:
                apply_rows(connection, source.name, proof.form, run)
            forget_rows_that_are_back(connection)
            proven = self._last_read(source)
            if is_whole and not are_first:
                mark_absent(connection, source.rules, count if has_all else None, run, proven)
            elif unusable and not is_whole:
                mark_unusable(connection, source.rules, run, proven)
        empty(connection, read_row, gone_row)
        return count

    def _begin_writing(self) -> None:
        """Begin to write the ledger, once: until the first list is there, others may write to the file it is in."""
        if not self._is_writing:
            begin_writing_rows(self._connection)
        self._is_writing = True

    def _kept_place(self, source: Source, said: KeptLists) -> KeptPlace:
        if self._folder is None or source.inputs.on_hand.updated_column:
            return KeptPlace()
        return KeptPlace(self._folder.file(source.name), said.on_hand, source.fingerprint(source.inputs.on_hand))

    def _booking_reader(self, source: Source, said: KeptLists) -> BookingReader:
        bookings = t.cast("BookingSource", source.inputs.bookings)
        last = None if self._has_referred or self._is_proven_anew(source, bookings) else said.bookings
        file = self._folder.file(source.name, "bookings") if self._folder else None
        kept = KeptBookingsPlace.of(self._ledger, file, last, source.fingerprint(bookings))
        return BookingReader(self._connection, bookings, kept)

    def _is_proven_anew(self, source: Source, bookings: BookingSource) -> bool:
        """Return whether units were proven by something else in the last run, so that all bookings are asked for."""
        last = self._last_read(source)
        if last is None or last.proof.known_by != bookings.fingerprint:
            return True
        # Units may have been proven for a source of another name: only the same bookings prove them for this one.
        return last.run is None and last.proof.place != bookings.place.fingerprint

    def _last_read(self, source: Source) -> LastRead | None:
        query = sa.select(source_table.c.read_run).where(source_table.c.name == source.name)
        run, proof = self._connection.scalar(query), self._last_proofs.get(source.name)
        return None if proof is None else LastRead(proof, run)

    def _last_reading(self, source: Source) -> LastReading | None:
        """Return what is known of earlier readings of a source; None: it is always read whole."""
        if not source.inputs.on_hand.updated_column:
            return None
        row = source_table.c
        found = self._connection.execute(sa.select(row.cursor, row.full_read_at).where(row.name == source.name)).first()
        if found is None or found.cursor is None:
            return LastReading()
        kept = msgspec.json.decode(found.cursor, type=Kept)
        is_of_these_rows = kept.fingerprint == source.inputs.on_hand.fingerprint
        return LastReading(kept if is_of_these_rows else None, self._cursors.get(source.name), found.full_read_at)

    def _set_foreign_aside(self, source: Source) -> tuple[int, int]:
        """Leave out the rows of nodes the source does not own; return how many, and how many that cannot be used."""
        if len(self._sources) == 1 and not source.name:
            return 0, 0
        nodes = sorted(listed_nodes(self._connection))
        foreign = [node for node in nodes if self._sources.owner(node) != source.name]
        count, unusable = set_foreign_rows_aside(self._connection, source.name, foreign)
        if foreign:
            logger.warning(
                "%s lists %d rows of fulfillment nodes it does not own (nodes): %s; they are left out",
                source.name,
                count + unusable,
                ", ".join(foreign[:20]),
            )
        return count, unusable

    def _prove(self, source: Source, read: ReadBookings) -> Unproven:
        bookings = t.cast("BookingSource", source.inputs.bookings)
        anew = self._is_proven_anew(source, bookings)
        return prove_units(self._connection, bookings, read, anew=anew, nodes=source.nodes)


def _of(source: Source) -> str:
    return f" of {source.name}" if source.name else ""
