"""The mapper: a thin Singer skin over the ledger."""

from __future__ import annotations

import collections
import functools
import typing as t

import singer_sdk.singerlib as singer
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper_base import InlineMapper

from mapper_newstore_stock.allocations import AllocationsRun
from mapper_newstore_stock.command import report_errors
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.events import read_event
from mapper_newstore_stock.messages import MessageReader, MessageWriter
from mapper_newstore_stock.run.on_hand import is_sql
from mapper_newstore_stock.run.stock_run import STREAM, StockRun
from mapper_newstore_stock.run_summary import RunSummary
from mapper_newstore_stock.settings import ALLOCATIONS, SETTINGS

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from mapper_newstore_stock.events import Event


class MapperNewStoreStock(InlineMapper):
    """Computes stock records in consistent cuts from fulfilment events and the ERP's on-hand."""

    name = "mapper-newstore-stock"
    package_name = "mapper-newstore-stock"
    message_reader_class = MessageReader
    message_writer_class = MessageWriter
    # No stream maps and no flattening: the output has one fixed stream.
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = SETTINGS

    _stock_run: StockRun | None = None
    _allocations: AllocationsRun | None = None

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigurationError(f"the configuration cannot be read: {error}") from error
        if self.config["output"] == ALLOCATIONS:
            self._allocations = AllocationsRun()
        self._counts = collections.Counter(events=0, cuts=0, records=0)
        self._summary = RunSummary(self._counts)
        if isinstance(self.message_reader, MessageReader):
            self.message_reader.take_events = self._take_events
            self.message_reader.reading = functools.partial(self._summary.step, is_last=False)

    def map_schema_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take note of the tap's schema; the mapper's output has its own."""
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        if message_dict["stream"] != STREAM:
            self.logger.info("The stream %s is not used here", message_dict["stream"])
        elif self._allocations:
            return self._allocations.begin_events()
        else:
            self._run.begin_events()
        return []

    def map_record_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take an event, or give at once what it changes."""
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        if message_dict["stream"] == STREAM:
            return self._map_event(read_event(message_dict["record"]))
        return []

    def map_state_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take what the STATE covers; it goes out again with the cut."""
        self._assert_line_requires(message_dict, requires={"value"})
        if self._allocations:
            return [singer.StateMessage(message_dict["value"])]
        self._run.take_state(message_dict["value"])
        return []

    def map_activate_version_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Drop it: events are known by their id."""
        del message_dict
        return []

    def process_endofpipe(self) -> None:
        """Compute the cuts and send them."""
        with self._summary.step(is_last=True):
            self._finish()

    def _finish(self) -> None:
        if self._allocations:
            return
        if self._stock_run is None:
            self.logger.info("No input: nothing to do")
            return
        for message in self._stock_run.finish():
            self.write_message(message)
        self._counts.update(cuts=self._stock_run.cuts, records=self._stock_run.records)
        self._stock_run.close()

    def _map_event(self, event: Event) -> Iterable[singer.Message]:
        self._counts["events"] += 1
        if self._allocations:
            changes = list(self._allocations.changes(event))
            self._counts["records"] += sum(isinstance(change, singer.RecordMessage) for change in changes)
            return changes
        self._run.take_events([event])
        return []

    def _take_events(self, events: list[Event]) -> None:
        """Take events the reader has decoded already."""
        if self._allocations:
            for event in events:
                self._write_messages(self._map_event(event))
            return
        self._counts["events"] += len(events)
        self._run.take_events(events)

    @property
    def _run(self) -> StockRun:
        """The run, opened with the first message: only then is the ledger needed."""
        if self._stock_run is None:
            self._stock_run = StockRun(self.config, self.logger)
        return self._stock_run

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = super()._validate_config(raise_errors=raise_errors)
        if self._config.get("output") == ALLOCATIONS:
            return errors
        table, query = self._config.get("on_hand_table"), self._config.get("on_hand_query")
        if table and query:
            raise ConfigurationError("on_hand_table, on_hand_query: set one of them, not both")
        sql = is_sql(self._config.get("on_hand_url", ""))
        if sql and not (table or query):
            raise ConfigurationError("on_hand_table or on_hand_query: one is required when on_hand_url is a database")
        if not sql and self._config.get("on_hand_updated_column"):
            raise ConfigurationError("on_hand_updated_column: it needs a database as on_hand_url; a CSV is read whole")
        return errors

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once and say so: the SDK's own exit code 0 would look like success."""
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger)
