"""The target: routes messages, and decides when a STATE may go out."""

from __future__ import annotations

import collections
import contextlib
import copy
import functools
import signal
import typing as t

from singer_sdk import Target
from singer_sdk.exceptions import ConfigValidationError

from target_newstore_stock import standard_output
from target_newstore_stock.batch_files import read_record_lines
from target_newstore_stock.command import report_errors
from target_newstore_stock.dry_run import DryRun
from target_newstore_stock.environment import with_variables, wrong_variable
from target_newstore_stock.errors import ConfigurationError, InputError, OutputError, TargetError
from target_newstore_stock.fast_path import FastPath
from target_newstore_stock.intake import Intake
from target_newstore_stock.masking import without_values
from target_newstore_stock.messages import MessageReader
from target_newstore_stock.missing_cuts import refuse_missing_cut
from target_newstore_stock.other_runs import CutsOf
from target_newstore_stock.pipe_end import await_end_of_input
from target_newstore_stock.quiet_clients import quieten_clients
from target_newstore_stock.run_lock import RunLock
from target_newstore_stock.run_summary import NOTHING_TO_DO, RunSummary
from target_newstore_stock.settings import SETTINGS, read_settings
from target_newstore_stock.sinks import StockSink, empty_deleted
from target_newstore_stock.staged_names import OwnNames
from target_newstore_stock.stock_import import StockImport
from target_newstore_stock.terminal import print_table

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    import click
    from singer_sdk.io_base import GenericSingerReader
    from singer_sdk.sinks import Sink

    from target_newstore_stock.intake import Importer
    from target_newstore_stock.records import CutHead, StockRecord
    from target_newstore_stock.stock_file import StockFile


class TargetNewStoreStock(Target):
    """Writes stock records to NewStore as stock-import jobs, one complete cut each."""

    name = "target-newstore-stock"
    package_name = "target-newstore-stock"
    message_reader_class: type[GenericSingerReader[str]] = MessageReader
    default_sink_class: type[StockSink] = StockSink

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = SETTINGS
    #: How long after a signal the process may still run.
    seconds_to_end = 5.0

    def __init__(self, *, message_reader: GenericSingerReader[str] | None = None, **kwargs: t.Any) -> None:
        self._fast_path = FastPath(self.take, self.count_taken)
        # A reader the caller has configured is used as it is: all lines go the general way.
        if message_reader is None and issubclass(self.message_reader_class, MessageReader):
            message_reader = self.message_reader_class(self._fast_path.take, self._fast_path.count, self._reading)
        quieten_clients()
        self.append_builtin_config(self.config_jsonschema)
        try:
            super().__init__(message_reader=message_reader, **with_variables(self.name, self.config_jsonschema, kwargs))
        except (FileNotFoundError, ValueError) as error:
            said = wrong_variable(self.name, self.config_jsonschema) if kwargs.get("parse_env_config") else ""
            raise ConfigurationError(f"the configuration cannot be read: {said}{error}") from error
        self.settings = read_settings(self.config)
        # Imports run one after another, and draining in threads could deadlock on a signal.
        self.max_parallelism = 1
        self._counts = collections.Counter(imports=0, items=0, bytes=0, left_out=0, refused=0)
        self._summary = RunSummary(self._counts)
        self.intake = Intake(self, self.settings.max_file_mb)
        self._held_state: dict[str, t.Any] | None = None
        #: A part before this one that fails sends no STATE; nor does one that never starts.
        self._summary.outcome = "no_input"
        self._cuts_of: CutsOf | None = None

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Import a stock file. NewStore is not called before there is one."""
        self.importer.run(cut, file)

    @functools.cached_property
    def importer(self) -> Importer:
        """Imports the files, or only writes them in a dry run."""
        if self.settings.dry_run:
            return DryRun(self.settings, self._counts)
        return StockImport(self.settings, self._counts, cuts_of=self._cuts_of)

    def take(self, record: StockRecord, stream: str) -> None:
        """Take a record from the fast path; `count_taken` counts it later."""
        self.intake.add(record, stream)
        if self._held_state is not None:
            self._emit_state()

    def count_taken(self, sink: Sink, records: int) -> None:
        """Count records from the fast path, as the SDK's general way counts each record."""
        sink.tally_record_read(records)
        sink.record_counter_metric.increment(records)
        self._handle_max_record_age()

    @functools.cached_property
    def _run_lock(self) -> RunLock:
        owner = OwnNames(self.settings.provider, self.settings.tenant).owner
        return RunLock(owner, self.settings.api_base_url, self.settings.staging_url)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with self._step(is_last=False):
                yield
        except BaseException:
            self.intake.close()
            self._run_lock.release()
            raise

    @contextlib.contextmanager
    def _step(self, *, is_last: bool) -> Iterator[None]:
        """Run a step of the run; if it fails, print the error's table before its line is logged."""
        try:
            with self._summary.step(is_last=is_last):
                yield
        except TargetError as error:
            if error.table:
                print_table(error.table)
            raise

    def _process_schema_message(self, message_dict: dict[str, t.Any]) -> None:
        """Register a stream; from the first one on no other run may import here (design rule 10)."""
        if not self.settings.dry_run:
            self._run_lock.acquire()
        super()._process_schema_message(message_dict)
        stream = message_dict["stream"]
        self._cuts_of = CutsOf.of_schema(message_dict["schema"]) or self._cuts_of
        self._fast_path.open_or_close(stream, self.mapper.stream_maps.get(stream, []), self.get_sink)

    def get_sink(self, stream_name: str, *, record: dict[str, t.Any] | None = None, **given: t.Any) -> Sink:
        """Return the sink of a stream; a record comes by here on its way to it, as stream maps have left it."""
        if record is not None:
            empty_deleted(record)
        return super().get_sink(stream_name, record=record, **given)

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return what the SDK calls to make a sink, with the intake already filled in."""
        del stream_name
        return t.cast("type[Sink]", functools.partial(self.default_sink_class, intake=self.intake))

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        super()._process_record_message(message_dict)
        self._emit_state()

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:
        """Take the records of a BATCH as if they had come one by one, so that stream maps and checks apply."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        for line in read_record_lines(message_dict):
            if not self._fast_path.take(line):
                self._process_record_message(self.message_reader.deserialize_json(line))

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        """Let the SDK note a version: nothing is deleted by it here."""
        self._assert_line_requires(message_dict, requires={"stream"})
        stream = message_dict["stream"]
        if stream not in self.mapper.stream_maps:
            raise InputError(
                f"an ACTIVATE_VERSION message names the stream {stream!r}, which has no SCHEMA",
                to_do="Correct what writes it",
            )
        super()._process_activate_version_message(message_dict)

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hold a STATE, and emit it as soon as everything before it is imported."""
        self._assert_line_requires(message_dict, requires={"value"})
        self._held_state = copy.deepcopy(message_dict["value"])
        self._summary.outcome = NOTHING_TO_DO
        self._emit_state()

    def _emit_state(self) -> None:
        if self._held_state is not None and self.intake.is_empty:
            if self._cuts_of:
                refuse_missing_cut(self._held_state, self.intake.last_cut)
            self._write_state_message(self._held_state)
            self._held_state = None

    def _write_state_message(self, state: dict[str, t.Any]) -> None:
        """Emit a STATE, unless this is a dry run: it has nothing to acknowledge."""
        if self.settings.dry_run:
            return
        try:
            super()._write_state_message(state)
        except (OSError, AttributeError) as error:
            standard_output.leave()
            # Where stdout was closed, Python has none.
            why = error.strerror or error if isinstance(error, OSError) else "stdout is closed"
            raise OutputError(
                f"the STATE cannot be written: {why}. NewStore has the import; the next run sends it again",
                to_do="See what takes this target's output",
            ) from error

    def _handle_max_record_age(self) -> None:
        """Allow time-based drains only between cuts."""
        if not self.intake.cut_is_open:
            super()._handle_max_record_age()

    def process_endofpipe(self) -> None:
        """Import the plain records that are waiting; refuse an incomplete cut (design rule 8)."""
        try:
            with self._step(is_last=True):
                self._fast_path.count()
                self.intake.refuse_open_cut()
                super().process_endofpipe()
                self._emit_state()
                if self._counts["imports"]:
                    self._summary.outcome = "rehearsed" if self.settings.dry_run else "imported"
        finally:
            self.intake.close()
            self._run_lock.release()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; a secret of another kind than text is not shown."""
        try:
            return without_values(super()._validate_config(raise_errors=raise_errors))
        except ConfigValidationError as error:
            error.errors = without_values(error.errors)
            raise

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once without draining: the next run gets what was not imported."""
        del frame
        status = 128 + signum

        def end(*_: object) -> None:
            # Python drops an exception that is raised while it runs a destructor, so this comes again.
            if hasattr(signal, "setitimer"):
                signal.signal(signal.SIGALRM, end)
                signal.setitimer(signal.ITIMER_REAL, self.seconds_to_end)
            raise SystemExit(status)

        end()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger, await_end_of_input)
