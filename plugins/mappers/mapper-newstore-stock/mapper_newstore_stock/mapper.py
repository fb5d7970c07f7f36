"""The mapper: a thin Singer skin over a run."""

from __future__ import annotations

import collections
import contextlib
import functools
import typing as t

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper_base import InlineMapper

from mapper_newstore_stock.allocations import AllocationsRun
from mapper_newstore_stock.arrivals import Arrivals
from mapper_newstore_stock.command import report_errors
from mapper_newstore_stock.environment import with_variables, wrong_variable
from mapper_newstore_stock.errors import ConfigurationError, InputError
from mapper_newstore_stock.events import STREAM, check_schema, read_event
from mapper_newstore_stock.ledger.hidden import CAUSES, hidden_by
from mapper_newstore_stock.masking import without_values
from mapper_newstore_stock.messages import MessageReader, MessageWriter
from mapper_newstore_stock.pipe_end import await_end_of_input
from mapper_newstore_stock.quiet_clients import quieten_clients
from mapper_newstore_stock.run.erp_inputs import ignore_before
from mapper_newstore_stock.run.sources import check_sources, forms_of_proof
from mapper_newstore_stock.run.stock_run import StockRun
from mapper_newstore_stock.run_summary import RunSummary
from mapper_newstore_stock.settings import ALLOCATIONS, SETTINGS
from mapper_newstore_stock.state import checked

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    import click
    import singer_sdk.singerlib as singer
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.io_base import GenericSingerReader

    from mapper_newstore_stock.events import Event


#: What the run summary counts.
COUNTS: dict[str, int] = dict.fromkeys(
    ("events", "cuts", "records", "hidden", *map(hidden_by, CAUSES), "held", "stale", "vanished"), 0
)


class Run(t.Protocol):
    """What one run makes of the tap's messages; each step returns the messages to send at once.

    Attributes:
        outcome: What became of it, for the summary; known once it has finished.
    """

    outcome: str

    def begin_events(self) -> Iterable[singer.Message]:
        """Note the tap's SCHEMA."""

    def take_events(self, events: list[Event]) -> Iterable[singer.Message]:
        """Take events in the order they came."""

    def take_state(self, state: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take a STATE."""

    def finish(self) -> Iterable[singer.Message]:
        """Do what can be done only once all input has come."""

    def close(self) -> None:
        """Release what the run holds."""


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

    _run: Run | None = None

    def __init__(self, *, message_reader: GenericSingerReader[t.Any] | None = None, **kwargs: t.Any) -> None:
        self._counts = collections.Counter(COUNTS)
        self._summary = RunSummary(self._counts)
        self._arrivals = Arrivals()
        quieten_clients()
        self.append_builtin_config(self.config_jsonschema)
        try:
            super().__init__(
                message_reader=message_reader or self._new_reader(),
                **with_variables(self.name, self.config_jsonschema, kwargs),
            )
        except (FileNotFoundError, ValueError) as error:
            said = wrong_variable(self.name, self.config_jsonschema) if kwargs.get("parse_env_config") else ""
            raise ConfigurationError(f"the configuration cannot be read: {said}{error}") from error

    def map_schema_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Note the tap's schema; the mapper's output has its own."""
        self._assert_line_requires(message_dict, requires={"stream", "schema"})
        stream = message_dict["stream"]
        self._arrivals.begin(str(stream))
        if stream == STREAM:
            check_schema(message_dict["schema"], forms_of_proof(self.config))
            return self._opened_run().begin_events()
        self.logger.info("The stream %s is not used here", stream)
        return ()

    def map_record_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take one event."""
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        if message_dict["stream"] != STREAM:
            return ()
        events = [read_event(message_dict["record"])]
        self._arrivals.add(events)
        return self._opened_run().take_events(events)

    def map_state_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Take a STATE."""
        self._assert_line_requires(message_dict, requires={"value"})
        state = checked(message_dict["value"])
        self._arrivals.check(state)
        return self._opened_run().take_state(state)

    def map_batch_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Refuse it: events come as records.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"a BATCH message of {message_dict.get('stream')} came: events are read as records. Remove batch_config "
            f"from the settings of the tap"
        )

    def map_activate_version_message(self, message_dict: dict[str, t.Any]) -> Iterable[singer.Message]:
        """Drop it: events are known by their id."""
        del message_dict
        return ()

    def process_endofpipe(self) -> None:
        """Send what the run yields at its end."""
        with self._step(is_last=True):
            if self._run is None:
                self._summary.outcome = "no_input"
                self.logger.info("No input: nothing to do")
                return
            self._write_messages(self._run.finish())
            if isinstance(self.message_writer, MessageWriter):
                # Records that no STATE follows are still pending.
                self.message_writer.flush()
            self._summary.outcome = self._run.outcome
            self._run.close()

    @contextlib.contextmanager
    def _step(self, *, is_last: bool) -> Iterator[None]:
        """Run a step of the run; if it fails, release what the run holds."""
        try:
            with self._summary.step(is_last=is_last):
                yield
        except Exception:
            if self._run is not None:
                self._run.close()
            raise

    def _opened_run(self) -> Run:
        """Return the run; the first message opens it, because only then is the ledger needed."""
        if self._run is None:
            self._run = self._new_run()
        return self._run

    def _new_run(self) -> Run:
        if self.config["output"] == ALLOCATIONS:
            return AllocationsRun(self._counts, ignore_before(self.config))
        writer = self.message_writer
        write_lines = writer.write_lines if isinstance(writer, MessageWriter) and writer.takes_lines else None
        return StockRun(self.config, self.logger, self._counts, write_lines=write_lines)

    def _new_reader(self) -> GenericSingerReader[t.Any]:
        """Return the reader; only this package's own takes events in blocks."""
        if issubclass(self.message_reader_class, MessageReader):
            return self.message_reader_class(self._take_events, functools.partial(self._step, is_last=False))
        return self.message_reader_class()

    def _take_events(self, events: list[Event]) -> None:
        """Take events the reader has already decoded."""
        self._arrivals.add(events)
        self._write_messages(self._opened_run().take_events(events))

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; a secret of another kind than text is not shown."""
        try:
            errors = without_values(super()._validate_config(raise_errors=raise_errors))
        except ConfigValidationError as error:
            error.errors = without_values(error.errors)
            raise
        if self._config.get("output") == ALLOCATIONS:
            return errors
        if {"on_hand_url", "on_hand_sources"} & self._config.keys():
            check_sources(self._config)
        return errors

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once and say so: the SDK's own exit code 0 would look like success."""
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger, await_end_of_input)
