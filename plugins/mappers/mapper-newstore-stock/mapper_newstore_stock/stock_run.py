"""One run: the tap's events in, stock records in consistent cuts out."""

from __future__ import annotations

import copy
import typing as t

import singer_sdk.singerlib as singer
from singer_sdk import typing as th

from mapper_newstore_stock.errors import MapperError
from mapper_newstore_stock.events import STREAM, completed_units, read_event
from mapper_newstore_stock.ledger import Ledger
from mapper_newstore_stock.on_hand import read_on_hand, without_ignored
from mapper_newstore_stock.planning import Planner, Rules
from mapper_newstore_stock.state import STOCK, Acknowledged, Taken

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from mapper_newstore_stock.cuts import Cut
    from mapper_newstore_stock.events import CompletedUnits

__all__ = ["STREAM", "StockRun"]

#: Units held in memory before they go to the ledger.
LARGEST_BATCH = 10_000

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
    """Takes one run's messages and gives the messages to send.

    Args:
        config: The mapper's settings.
        logger: Where the run reports.

    Raises:
        LedgerError: the ledger cannot be opened, or another run holds it.
    """

    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        self._config = config
        self._logger = logger
        self._ledger = Ledger(config["ledger_url"])
        self._acknowledged = Acknowledged()
        self._state: dict[str, t.Any] | None = None
        self._units: list[CompletedUnits] = []
        self._events = 0
        self._events_begun = False
        self._tenant: str | None = None

    def begin_events(self) -> None:
        """Note that the tap's SCHEMA came: a STATE from here on is no longer its input state."""
        self._events_begun = True

    def take_record(self, record: dict[str, t.Any]) -> None:
        """Take an event. It counts only once a STATE covers it (design rule 3)."""
        self._events_begun = True
        event = read_event(record)
        self._check_tenant(event.tenant)
        self._events += 1
        if event.released:
            self._units.extend(completed_units(event))
        if len(self._units) >= LARGEST_BATCH:
            self._hand_over()

    def take_state(self, state: dict[str, t.Any]) -> None:
        """Take a STATE: the tap's echo of its input state, or what covers the events so far."""
        taken = Taken.from_state(state, STREAM)
        if self._state is None and self._events == 0:
            self._acknowledged = Acknowledged.from_state(state)
            # An echo tells what the tap will not send again; a later STATE covers this run's events.
            self._ledger.check_state(self._acknowledged, Taken() if self._events_begun else taken)
        if self._events_begun:
            self._hand_over()
            self._ledger.commit_taken(taken)
        self._state = copy.deepcopy(state)

    def finish(self) -> Iterator[singer.Message]:
        """Plan the cuts, write them down, and give the messages that carry them.

        Raises:
            OnHandError: the ERP's rows cannot be used.
            QuantityError: a quantity cannot be computed, or must not be sent.
        """
        self._units.clear()
        self._ledger.forget_uncommitted()
        if self._state is None:
            self._logger.warning("The tap sent no STATE: nothing was taken from it, and nothing is sent")
            return
        self._ledger.replace_on_hand(self._on_hand_rows())
        planner = Planner(self._ledger, self._acknowledged, self._rules())
        cuts = planner.plan()
        if not cuts:
            self._logger.info("%d events taken, no quantity changed", self._events)
            yield self._state_message(self._acknowledged)
            return
        yield singer.SchemaMessage(
            STOCK, STOCK_SCHEMA, ["fulfillment_node_id", "product_id"], ["logical_timestamp_end"]
        )
        for cut in cuts:
            self._logger.info("Cut %d: %d records, %s, mark %s", cut.number, cut.size, _range(cut), cut.mark)
            yield from self._record_messages(planner, cut)
            yield self._state_message(Acknowledged(cut=cut.number, end=cut.end, mark=cut.mark))

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def _hand_over(self) -> None:
        self._ledger.take(self._units)
        self._units.clear()

    def _on_hand_rows(self) -> Iterator[t.Any]:
        config = self._config
        rows = read_on_hand(
            config["on_hand_url"],
            table=config.get("on_hand_table"),
            query=config.get("on_hand_query"),
            columns=config["on_hand_columns"],
        )
        return without_ignored(rows, config["ignored_nodes"], config["ignored_products"])

    def _rules(self) -> Rules:
        return Rules(
            max_cut_items=self._config["max_cut_items"],
            ignored_nodes=self._config["ignored_nodes"],
            ignored_products=self._config["ignored_products"],
            erp_is_current=self._config["on_hand_as_of"] == "current",
            negative_is_zero=self._config["negative_on_hand"] == "zero",
        )

    def _record_messages(self, planner: Planner, cut: Cut) -> Iterator[singer.RecordMessage]:
        start, end = cut.range or (None, None)
        for row in planner.records(cut.number):
            yield singer.RecordMessage(
                stream=STOCK,
                record={
                    "fulfillment_node_id": row.fulfillment_node_id,
                    "product_id": row.product_id,
                    "quantity": row.quantity,
                    "logical_timestamp_start": start,
                    "logical_timestamp_end": end,
                    "cut_id": str(cut.number),
                    "cut_size": cut.size,
                },
            )

    def _state_message(self, acknowledged: Acknowledged) -> singer.StateMessage:
        state = self._state or {}
        return singer.StateMessage(value=acknowledged.written_into(state) if acknowledged.cut else state)

    def _check_tenant(self, tenant: str | None) -> None:
        """Logical timestamps of two tenants cannot be compared; a range would claim too much."""
        if tenant is None:
            return
        if self._tenant not in (None, tenant):
            raise MapperError(
                f"events of two tenants in one run: {self._tenant} and {tenant}. Each tenant needs its own "
                f"receiver, landing store and ledger"
            )
        self._tenant = tenant


def _range(cut: Cut) -> str:
    return f"completions {cut.range.start}-{cut.range.end}" if cut.range else "no new completions"
