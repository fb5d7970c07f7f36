"""The mapper: a thin Singer skin over the ledger."""

from __future__ import annotations

import typing as t

import singer_sdk.singerlib as singer
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper_base import InlineMapper

from mapper_newstore_stock.command import report_errors
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.messages import MessageReader
from mapper_newstore_stock.on_hand import is_sql
from mapper_newstore_stock.planning import DEFAULT_MAX_CUT_ITEMS
from mapper_newstore_stock.stock_run import STREAM, StockRun

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class MapperNewStoreStock(InlineMapper):
    """Computes stock records in consistent cuts from fulfilment events and the ERP's on-hand."""

    name = "mapper-newstore-stock"
    package_name = "mapper-newstore-stock"
    message_reader_class = MessageReader
    # No stream maps and no flattening: the output has one fixed stream.
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {
        **th.PropertiesList(
            th.Property(
                "ledger_url",
                th.StringType,
                required=True,
                secret=True,
                title="Ledger",
                description="SQLAlchemy URL of the ledger: completed units, on-hand as last read, cuts sent",
            ),
            th.Property(
                "on_hand_url",
                th.StringType,
                required=True,
                secret=True,
                title="On-hand source",
                description="The ERP's stock: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row",
            ),
            th.Property(
                "on_hand_table",
                th.StringType,
                title="On-hand table",
                description="Table to read from a SQL source (`schema.table` works)",
            ),
            th.Property(
                "on_hand_query",
                th.StringType,
                title="On-hand query",
                description="Query to read from a SQL source, instead of `on_hand_table`",
            ),
            th.Property(
                "on_hand_columns",
                th.ObjectType(
                    th.Property("fulfillment_node_id", th.StringType),
                    th.Property("product_id", th.StringType),
                    th.Property("quantity", th.StringType),
                    th.Property("as_of_logical_timestamp", th.StringType),
                    additional_properties=False,
                ),
                default={},
                title="On-hand columns",
                description="The source's own names for fulfillment_node_id, product_id, quantity and "
                "as_of_logical_timestamp",
            ),
            th.Property(
                "on_hand_as_of",
                th.StringType,
                allowed_values=["column", "current"],
                default="column",
                title="On-hand as of",
                description="`column`: as_of_logical_timestamp says which completions a number contains; "
                "`current`: the ERP ships the goods, its numbers always contain every completion",
            ),
            th.Property(
                "ignored_nodes",
                th.ArrayType(th.StringType),
                default=[],
                title="Ignored nodes",
                description="Fulfillment nodes not managed here (`*` globs), such as stores mastered by NewStore",
            ),
            th.Property(
                "ignored_products",
                th.ArrayType(th.StringType),
                default=[],
                title="Ignored products",
                description="Products not managed here (`*` globs), such as gift cards",
            ),
            th.Property(
                "max_cut_items",
                th.IntegerType(minimum=1),
                default=DEFAULT_MAX_CUT_ITEMS,
                title="Largest cut",
                description="Stock records per import; a larger cut is split along logical timestamps",
            ),
            th.Property(
                "negative_on_hand",
                th.StringType,
                allowed_values=["zero", "fail"],
                default="zero",
                title="Negative quantities",
                description="`zero`: send 0 and warn; `fail`: stop the run",
            ),
        ).to_dict(),
        "additionalProperties": False,
    }

    _stock_run: StockRun | None = None

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigurationError(f"the configuration cannot be read: {error}") from error

    def map_schema_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take note of the tap's schema; the mapper's output has its own."""
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        if message_dict["stream"] == STREAM:
            self._run.begin_events()
        else:
            self.logger.info("The stream %s is not used here", message_dict["stream"])
        return []

    def map_record_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take an event; nothing is sent before the input ends."""
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        if message_dict["stream"] == STREAM:
            self._run.take_record(message_dict["record"])
        return []

    def map_state_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take what the STATE covers; it goes out again with the cut."""
        self._assert_line_requires(message_dict, requires={"value"})
        self._run.take_state(message_dict["value"])
        return []

    def map_activate_version_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Drop it: the ledger knows events by their id."""
        del message_dict
        return []

    def process_endofpipe(self) -> None:
        """Compute the cuts and send them."""
        if self._stock_run is None:
            self.logger.info("No input: nothing to do")
            return
        for message in self._stock_run.finish():
            self.write_message(message)
        self._stock_run.close()

    @property
    def _run(self) -> StockRun:
        """The run, opened with the first message: only then is the ledger needed."""
        if self._stock_run is None:
            self._stock_run = StockRun(self.config, self.logger)
        return self._stock_run

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = super()._validate_config(raise_errors=raise_errors)
        table, query = self._config.get("on_hand_table"), self._config.get("on_hand_query")
        if table and query:
            raise ConfigurationError("on_hand_table, on_hand_query: set one of them, not both")
        if is_sql(self._config.get("on_hand_url", "")) and not (table or query):
            raise ConfigurationError("on_hand_table or on_hand_query: one is required when on_hand_url is a database")
        return errors

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once and say so: the SDK's own exit code 0 would look like success."""
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger)
