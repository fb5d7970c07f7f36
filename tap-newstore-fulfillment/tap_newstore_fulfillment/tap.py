"""The tap: settings and streams."""

from __future__ import annotations

import collections
import functools
import typing as t

from singer_sdk import Tap
from singer_sdk import typing as th

from tap_newstore_fulfillment.command import report_errors
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.run_summary import RunSummary
from tap_newstore_fulfillment.sources import EXPORT_FILES, LANDING, make_ready, with_landing_url
from tap_newstore_fulfillment.streams import FulfillmentEventItemsStream, FulfillmentEventsStream

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    import click
    from singer_sdk import Stream

DEFAULT_SETTLE_SECONDS = 900


class TapNewStoreFulfillment(Tap):
    """Emits NewStore's fulfilment events, each once, in the order of their logical timestamps."""

    name = "tap-newstore-fulfillment"
    package_name = "tap-newstore-fulfillment"

    #: Records emitted so far, by stream.
    emitted: collections.Counter[str]

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {
        **th.PropertiesList(
            th.Property(
                "source",
                th.StringType,
                allowed_values=[LANDING, EXPORT_FILES],
                default=LANDING,
                title="Source",
                description="Where events come from: `landing`, the store of newstore-event-receiver; "
                "`export_files`, the files NewStore's S3 sink writes",
            ),
            th.Property(
                "landing_url",
                th.StringType,
                secret=True,
                title="Landing store",
                description="SQLAlchemy URL of the store the event receiver writes to, and export files are read "
                "into; required unless `source` is `export_files`",
            ),
            th.Property(
                "export_files_url",
                th.StringType,
                title="Export files",
                description="fsspec URL of the prefix of the export files (a directory, `s3://`, `gs://`, `az://`); "
                "required when `source` is `export_files`",
            ),
            th.Property(
                "export_rejects_path",
                th.StringType,
                title="Export rejects",
                description="File that receives the lines of export files that are no events; default "
                "`export_rejects.jsonl` beside a landing store on SQLite, else in the working directory",
            ),
            th.Property(
                "settle_seconds",
                th.IntegerType(minimum=0),
                default=DEFAULT_SETTLE_SECONDS,
                title="Settle time (seconds)",
                description="How long a timestamp waits for lower ones; NewStore promises 15 minutes",
            ),
            th.Property(
                "start_logical_timestamp",
                th.IntegerType,
                title="Oldest logical timestamp",
                description="Events with a lower logical timestamp are ignored",
            ),
            th.Property(
                "emit_unreleased",
                th.BooleanType,
                default=False,
                title="Emit unreleased events",
                description="Also emit events that have not settled yet, marked `released: false`; they come again",
            ),
            th.Property(
                "receiver_api_key",
                th.StringType,
                secret=True,
                title="Receiver key",
                description="Key NewStore sends as `Authorization: Bearer`; needed off the loopback interface",
            ),
            th.Property(
                "receiver_previous_api_key",
                th.StringType,
                secret=True,
                title="Previous receiver key",
                description="Accepted beside `receiver_api_key` while NewStore still sends the old one",
            ),
            th.Property(
                "receiver_host",
                th.StringType,
                default="127.0.0.1",
                title="Receiver address",
                description="Address newstore-event-receiver listens on",
            ),
            th.Property(
                "receiver_port",
                th.IntegerType(minimum=0, maximum=65535),
                default=8765,
                title="Receiver port",
                description="Port newstore-event-receiver listens on; 0 takes any free one",
            ),
            th.Property(
                "tenant",
                th.StringType,
                title="Tenant",
                description="NewStore tenant with its stage, such as `acme-staging`; needed to register with NewStore",
            ),
            th.Property(
                "client_id",
                th.StringType,
                title="Client ID",
                description="API client that registers with NewStore",
            ),
            th.Property(
                "client_secret",
                th.StringType,
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
        ).to_dict(),
        "additionalProperties": False,
        "if": {"properties": {"source": {"const": EXPORT_FILES}}, "required": ["source"]},
        "then": {"required": ["export_files_url"]},
        "else": {"required": ["landing_url"]},
    }

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        if not hasattr(self, "emitted"):
            self.emitted = collections.Counter()
        try:
            super().__init__(*args, **kwargs)
        except (FileNotFoundError, ValueError) as error:
            raise ConfigurationError(f"configuration, state or catalog cannot be read: {error}") from error

    @property
    def config(self) -> Mapping[str, t.Any]:
        """Give the settings, with the landing store export files have when none is set."""
        return with_landing_url(super().config)

    @functools.cached_property
    def ready_at(self) -> int | None:
        """Bring the landing store up to date with the source, once a run; see `make_ready`."""
        return make_ready(self.config)

    def discover_streams(self) -> Sequence[Stream]:
        """Give the streams of this tap."""
        return [FulfillmentEventsStream(self), FulfillmentEventItemsStream(self)]

    def setup_mapper(self) -> None:
        """Register the streams' maps; one that is not selected keeps its fields, because `--test` reads it too."""
        super().setup_mapper()
        for stream in self.streams.values():
            if not stream.selected:
                self.mapper.register_raw_stream_schema(stream.name, stream.schema, stream.primary_keys)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End at once, without another message.

        The SDK would write a STATE from inside the signal handler, possibly in the middle
        of a line. The last STATE already written is right; what followed it comes again.
        """
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def invoke(cls, *, about: bool = False, **options: t.Any) -> None:
        """Run the command; at the end one line says what was emitted and how it ended."""
        if about:
            super().invoke(about=about, **options)
            return
        emitted: collections.Counter[str] = collections.Counter()
        # The SDK makes the instance out of reach; a class for this run hands the counter to it.
        run = t.cast("type[TapNewStoreFulfillment]", type(cls.__name__, (cls,), {"emitted": emitted}))
        with RunSummary({"records": emitted}).step(is_last=True):
            super(TapNewStoreFulfillment, run).invoke(**options)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger)
