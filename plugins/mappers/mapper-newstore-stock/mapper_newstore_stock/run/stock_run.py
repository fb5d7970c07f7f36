"""One run: the tap's events in, stock records in consistent cuts out."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import time
import typing as t

import msgspec
import singer_sdk.singerlib as singer
import sqlalchemy as sa
from singer_sdk import typing as th

from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.events import STREAM
from mapper_newstore_stock.ledger.database import short
from mapper_newstore_stock.ledger.proof import Proofs
from mapper_newstore_stock.ledger.retention import forget_old
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.ledger_url import check_ledger_url
from mapper_newstore_stock.progress import long_step
from mapper_newstore_stock.run.erp_inputs import ignore_before
from mapper_newstore_stock.run.intake import Intake
from mapper_newstore_stock.run.kept_lists import ListFolder
from mapper_newstore_stock.run.planning import Planner
from mapper_newstore_stock.run.pruned_past import refuse_rows_of_unknown_past
from mapper_newstore_stock.run.records import lines_of, records_of
from mapper_newstore_stock.run.rules import Rules
from mapper_newstore_stock.run.source_reads import proofs_of, remember_sources
from mapper_newstore_stock.run.source_rows import SourceReader
from mapper_newstore_stock.run.sources import Sources
from mapper_newstore_stock.run_summary import NOTHING_TO_DO
from mapper_newstore_stock.state import STOCK, Acknowledged, Taken

if t.TYPE_CHECKING:
    import collections
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.events import Event
    from mapper_newstore_stock.progress import Step
    from mapper_newstore_stock.run.cuts import Cut
    from mapper_newstore_stock.run.records import RecordLine
    from mapper_newstore_stock.run.source_reads import SourceRead

__all__ = ["STREAM", "StockRun"]

#: In the SCHEMA: which ledger numbers the cuts, and when these were planned. A target that imports elsewhere than this
#: machine needs it to know that another run has overtaken this one (design rule 9).
CUTS_OF = "x-cuts-of"
STOCK_SCHEMA = th.PropertiesList(
    th.Property("fulfillment_node_id", th.StringType, required=True),
    th.Property("product_id", th.StringType, required=True),
    th.Property("quantity", th.IntegerType, required=True, description="Units, never negative"),
    th.Property("logical_timestamp_start", th.IntegerType, description="First completion the cut answers for"),
    th.Property("logical_timestamp_end", th.IntegerType, description="Last completion the cut answers for"),
    th.Property("cut_id", th.StringType, required=True, description="The same for all records of a cut"),
    th.Property("cut_size", th.IntegerType, required=True, description="How many records the cut has"),
).to_dict()


class StockRun:
    """One run that collects the tap's events in the ledger, and sends its cuts at the end.

    Attributes:
        outcome: `sent`, `nothing_to_do`, `no_input`, or `incomplete_input`: the tap died.

    Args:
        config: The mapper's settings.
        logger: Where the run reports.
        counts: Counts the run's `events`, `cuts` and `records`.
        ledger: An open ledger instead of the one behind `ledger_url`; it is closed with the run.
        write_lines: Writes records, many at a time, in the place of yielding them.

    Raises:
        LedgerError: the ledger cannot be opened, or another run holds it.
    """

    def __init__(
        self,
        config: Mapping[str, t.Any],
        logger: logging.Logger,
        counts: collections.Counter[str],
        ledger: Ledger | None = None,
        write_lines: Callable[[Sequence[RecordLine]], None] | None = None,
    ) -> None:
        self._config = config
        self._logger = logger
        self._counts = counts
        self._write_lines = write_lines
        self._sources = Sources(config)
        # What may be refused comes first: from the ledger on, there is something to close.
        ignored = ignore_before(config)
        if ledger is None:
            check_ledger_url(config["ledger_url"])
        self._ledger = ledger or Ledger.at(config["ledger_url"])
        self._intake = Intake(
            self._ledger, keeps_references=self._sources.needs_references, ignore_shipped_before=ignored
        )
        self._acknowledged = Acknowledged()
        self._numbers_used = 0
        self._state: dict[str, t.Any] | None = None
        self._events_begun = False
        self._has_warned = False
        self.outcome = "no_input"

    def begin_events(self) -> tuple[singer.Message, ...]:
        """Note that the tap's SCHEMA came: a STATE from here on is no longer its input state."""
        self._events_begun = True
        return ()

    def take_events(self, events: list[Event]) -> tuple[singer.Message, ...]:
        """Take events. They count only once a STATE covers them (design rule 3)."""
        self._events_begun = True
        self._counts["events"] += len(events)
        with _database_errors():
            self._intake.take(events)
        return ()

    def take_state(self, state: dict[str, t.Any]) -> tuple[singer.Message, ...]:
        """Take a STATE, which goes out again with the cut.

        It is the tap's echo of its input state, or covers the events so far.
        """
        taken = Taken.from_state(state, STREAM)
        if self._state is None and not self._counts["events"]:
            said = Acknowledged.from_state(state)
            with _database_errors():
                self._acknowledged = self._ledger.acknowledge(said, taken, echoed=not self._events_begun)
                others_mark = None if self._acknowledged.cut else said.mark
                self._intake.begin_at(taken, others_mark, self._config.get("contained_through"))
            self._numbers_used = said.cut
        if self._events_begun:
            self._intake.cover(taken)
            self._warn_of_events_left_out(taken)
        self._state = copy.deepcopy(state)
        return ()

    def _warn_of_events_left_out(self, taken: Taken) -> None:
        """Say what a tap that begins in the middle means for NewStore's numbers, once."""
        through = self._config.get("contained_through")
        if taken.oldest is None or self._has_warned or (through is not None and through >= taken.oldest - 1):
            return
        self._has_warned = True
        self._logger.warning(
            "The tap leaves out events below %d (start_logical_timestamp), and no range covers them: NewStore goes on "
            "subtracting their units. If every number of the ERP contains them, set contained_through to %d",
            taken.oldest,
            taken.oldest - 1,
        )

    def finish(self) -> Iterator[singer.Message]:
        """Plan the cuts, write them down, and yield the messages that carry them.

        Raises:
            LedgerError: an event is too old, or the database fails.
            OnHandError: the ERP's rows cannot be used.
            QuantityError: a quantity cannot be computed, or must not be sent.
        """
        if self._state is None:
            self._logger.warning("The tap sent no STATE: nothing was taken from it, and nothing is sent")
            return
        with _database_errors():
            yield from self._finish()

    def close(self) -> None:
        """Release the ledger."""
        self._ledger.close()

    def _finish(self) -> Iterator[singer.Message]:
        # The state may name a cut of another ledger: its numbers are not used again either.
        first_number = max(self._ledger.last_cut(), self._acknowledged.cut, self._numbers_used) + 1
        self._intake.finish(first_number)
        if not self._intake.is_complete:
            # A range beyond these events may have been declared that neither ledger nor state remembers.
            self._logger.warning("The tap ended before it had sent all it releases: its events are kept, none is sent")
            self.outcome = "incomplete_input"
            yield self._state_message(self._acknowledged)
            return
        folder = ListFolder.of(self._ledger.connection, self._config.get("cache_dir"), self._ledger.ledger_id)
        cursors, has_referred = self._acknowledged.cursors, self._intake.has_referred
        reader = SourceReader(self._ledger, self._sources, cursors, folder, has_referred=has_referred)
        found = reader.read()
        rules = self._rules(found)
        refuse_rows_of_unknown_past(self._ledger.connection, rules)
        planner = Planner(self._ledger, self._acknowledged, rules, self._intake.holes)
        with long_step("Planning the cuts"):
            cuts = planner.plan(self._intake, first_number)
        self._counts.update(planner.counts)
        has_folded = self._forget_old(found)
        # What is folded away is known by less than before.
        remember_sources(self._ledger, self._sources, found, keeps_bookings=not has_folded)
        self._ledger.connection.commit()
        cursors = {name: read.cursor for name, read in found.items() if read.cursor is not None}
        read_through = msgspec.structs.replace(self._acknowledged, cursors=cursors)
        self.outcome = "sent" if cuts else NOTHING_TO_DO
        if not cuts:
            self._logger.info("%d events taken, no quantity changed", self._counts["events"])
            yield self._state_message(read_through)
            return
        yield singer.SchemaMessage(
            STOCK, self._schema(), ["fulfillment_node_id", "product_id"], ["logical_timestamp_end"]
        )
        for cut in cuts:
            self._logger.info("Cut %d: %d records, %s, mark %s", cut.number, cut.size, _range(cut), cut.mark)
            with long_step(f"Sending cut {cut.number}", f"of {cut.size} records") as step:
                yield from self._send(cut, step)
            read = cursors if cut is cuts[-1] else self._acknowledged.cursors
            yield self._state_message(Acknowledged(cut.number, cut.end, cut.mark, self._ledger.identity, read))
        self._counts.update(cuts=len(cuts), records=sum(cut.size for cut in cuts))

    def _send(self, cut: Cut, step: Step) -> Iterator[singer.Message]:
        if self._write_lines is None:
            yield from step.counting(records_of(self._ledger.connection, cut))
            return
        for lines in lines_of(self._ledger.connection, cut):
            self._write_lines(lines)
            step.count += len(lines)

    def _schema(self) -> dict[str, t.Any]:
        """Return the schema with what tells an older run of this ledger from a newer one."""
        planned_at = dt.datetime.fromtimestamp(time.time_ns() / 1_000_000_000, tz=dt.UTC)
        ledger = self._ledger
        of = {"ledger": ledger.ledger_id, "planned_at": planned_at.isoformat()}
        return {**STOCK_SCHEMA, CUTS_OF: {**of, "run": ledger.run_id, "runs_before": ledger.runs_before()}}

    def _forget_old(self, found: Mapping[str, SourceRead]) -> bool:
        """Forget what is old enough; return whether units were folded away."""
        days = self._config["ledger_keep_days"]
        now = dt.datetime.now(tz=dt.UTC)
        proofs = Proofs({name: read.proof for name, read in found.items() if read.is_live})
        if not proofs.by_source:
            # Rows that stand are no reason to forget; the next run that reads a source does, as nothing is noted here.
            return False
        bookings = {source.name: source.inputs.bookings for source in self._sources if found[source.name].is_live}
        known_by = {name: of.reference for name, of in bookings.items() if of}
        count = forget_old(self._ledger, self._acknowledged.cut, days, now, proofs=proofs, known_by=known_by)
        if count:
            self._logger.info("%d units older than %d days folded away", count, days)
        return count > 0

    def _rules(self, found: Mapping[str, SourceRead]) -> Rules:
        config = self._config
        too_old = [source for source in self._sources if found[source.name].is_too_old]
        return Rules(
            max_cut_items=config["max_cut_items"],
            ignored_nodes=config["ignored_nodes"],
            ignored_products=config["ignored_products"],
            proofs=proofs_of(self._ledger.connection, found),
            zeroed=[source.name for source in self._sources if source.rules.vanished_rows == "zero"],
            kept=[source.name for source in self._sources if source.rules.vanished_rows == "keep"],
            unusable=[source.name for source in too_old],
            unusable_nodes=[glob for source in too_old for glob in source.nodes or ("*",)],
            negative_is_zero=config["negative_on_hand"] == "zero",
            holds_keys=config["held_keys"] == "hold",
            max_held_percent=config.get("max_held_percent"),
            lists=[source.inputs.on_hand.place.name for source in self._sources if found[source.name].is_live],
            claims_ignored=config["claim_ignored"],
        )

    def _state_message(self, acknowledged: Acknowledged) -> singer.StateMessage:
        state = self._state or {}
        return singer.StateMessage(value=acknowledged.written_into(state) if acknowledged.cut else state)


@contextlib.contextmanager
def _database_errors() -> Iterator[None]:
    """Turn errors of the ledger's database into one of this package: it was stopped, or another server took over."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise LedgerError(f"the ledger cannot be written: {short(error)}. The next run repeats this one") from error


def _range(cut: Cut) -> str:
    return f"completions {cut.range.start}-{cut.range.end}" if cut.range else "no new completions"
