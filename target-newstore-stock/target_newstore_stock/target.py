"""The target: settings, and when a STATE may go out."""

from __future__ import annotations

import copy
import functools
import typing as t

from singer_sdk import Target
from singer_sdk import typing as th

from target_newstore_stock.command import report_errors
from target_newstore_stock.errors import ConfigurationError
from target_newstore_stock.intake import Intake
from target_newstore_stock.messages import MessageReader
from target_newstore_stock.sinks import StockSink
from target_newstore_stock.stock_import import StockImport

if t.TYPE_CHECKING:
    from types import FrameType

    import click

    from target_newstore_stock.records import CutHead
    from target_newstore_stock.stock_file import StockFile


def _number(**bounds: int) -> th.CustomType:
    """Give the type of a number; the SDK reads whole ones from the environment too."""
    return th.CustomType({"type": ["integer", "number"], **bounds})


class TargetNewStoreStock(Target):
    """Writes stock records to NewStore as stock-import jobs, one complete cut each."""

    name = "target-newstore-stock"
    package_name = "target-newstore-stock"
    message_reader_class = MessageReader
    default_sink_class = StockSink

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {
        **th.PropertiesList(
            th.Property(
                "tenant",
                th.StringType,
                required=True,
                title="Tenant",
                description="NewStore tenant with its stage, such as `acme-staging`",
            ),
            th.Property(
                "client_id",
                th.StringType,
                required=True,
                title="Client ID",
                description="API client with `Support Legacy APIs`",
            ),
            th.Property(
                "client_secret",
                th.StringType,
                required=True,
                secret=True,
                title="Client secret",
                description="Secret of the API client",
            ),
            th.Property(
                "api_url",
                th.StringType,
                title="API URL",
                description="Base URL of the API; default `https://{tenant}.p.newstore.net`",
            ),
            th.Property(
                "auth_url",
                th.StringType,
                title="Token URL",
                description="The whole token endpoint; default "
                "`https://id.p.newstore.net/auth/realms/{tenant}/protocol/openid-connect/token`",
            ),
            th.Property(
                "provider",
                th.StringType(min_length=1),
                default="newstore-stock-sync",
                title="Provider",
                description="Label on the import jobs; together with the name it says which jobs are ours",
            ),
            th.Property(
                "store_mapping",
                th.ObjectType(additional_properties=th.StringType),
                title="Store mapping",
                description='Store id per fulfillment node ("" for a distribution centre); what is not named here '
                "comes from NewStore's locations",
            ),
            th.Property(
                "staging_url",
                th.StringType,
                required=True,
                title="Staging place",
                description="fsspec URL of the directory or prefix the stock files are written to",
            ),
            th.Property(
                "staging_link",
                th.StringType,
                default="presigned",
                title="Staging link",
                description="How NewStore fetches the files: `presigned`, `uri`, or an https base URL that serves "
                "the directory",
            ),
            th.Property(
                "mode",
                th.StringType,
                allowed_values=["none", "atp"],
                default="none",
                title="Quantity mode",
                description="`none`: quantities are stock on hand; `atp`: what the ERP still calls available",
            ),
            th.Property(
                "max_file_mb",
                _number(exclusiveMinimum=0),
                default=80,
                title="Largest file (MB)",
                description="Largest stock file, unzipped, in millions of bytes",
            ),
            th.Property(
                "import_interval_seconds",
                _number(minimum=0),
                default=300,
                title="Import interval (seconds)",
                description="Distance between two imports of one run",
            ),
            th.Property(
                "poll_seconds",
                _number(exclusiveMinimum=0),
                default=5,
                title="Poll interval (seconds)",
                description="Pause between two looks at a job",
            ),
            th.Property(
                "import_timeout_seconds",
                _number(exclusiveMinimum=0),
                default=3600,
                title="Import time-out (seconds)",
                description="How long a job is waited for",
            ),
        ).to_dict(),
        "additionalProperties": False,
    }

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigurationError(f"the configuration cannot be read: {error}") from error
        # Imports run one after the other; a drain in threads could also deadlock on a signal.
        self.max_parallelism = 1
        self.intake = Intake(self, float(self.config["max_file_mb"]))
        self._held_state: dict[str, t.Any] | None = None

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Import a stock file (NewStore is first called when there is one)."""
        self._stock_import.run(cut, file)

    @functools.cached_property
    def _stock_import(self) -> StockImport:
        return StockImport(self.config)

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        super()._process_record_message(message_dict)
        self._emit_state()

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        """Emit a STATE as soon as everything before it is imported, not only at the end."""
        self._assert_line_requires(message_dict, requires={"value"})
        self._held_state = copy.deepcopy(message_dict["value"])
        self._emit_state()

    def _emit_state(self) -> None:
        if self._held_state is not None and self.intake.is_empty:
            self._write_state_message(self._held_state)
            self._held_state = None

    def _handle_max_record_age(self) -> None:
        """Let time-based drains pass only between cuts."""
        if not self.intake.cut_is_open:
            super()._handle_max_record_age()

    def process_endofpipe(self) -> None:
        """Import the plain records that wait; refuse a cut the input has not completed (design rule 8)."""
        self.intake.refuse_open_cut()
        super().process_endofpipe()
        self._emit_state()

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once, without a drain: what is not imported comes again."""
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger)
