"""The tap: settings and streams."""

from __future__ import annotations

import collections
import functools
import typing as t

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError

from tap_newstore_fulfillment.command import report_errors
from tap_newstore_fulfillment.environment import with_variables, wrong_variable
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.given_files import bookmarks_of, checked
from tap_newstore_fulfillment.landing_url import check_landing_url
from tap_newstore_fulfillment.masking import without_values
from tap_newstore_fulfillment.quiet_clients import quieten_clients
from tap_newstore_fulfillment.run_summary import RunSummary
from tap_newstore_fulfillment.set_aside import warn
from tap_newstore_fulfillment.settings import SETTINGS
from tap_newstore_fulfillment.sources import make_ready, with_landing_url
from tap_newstore_fulfillment.streams import FulfillmentEventItemsStream, FulfillmentEventsStream

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    import click
    from singer_sdk import Stream

    from tap_newstore_fulfillment.landing.open_bodies import Holes
    from tap_newstore_fulfillment.landing.store import LandingStore


class TapNewStoreFulfillment(Tap):
    """Emits NewStore's fulfilment events, each once, in the order of their logical timestamps."""

    name = "tap-newstore-fulfillment"
    package_name = "tap-newstore-fulfillment"

    #: Records emitted so far, by stream.
    emitted: collections.Counter[str]
    #: What the run's summary says.
    counts: dict[str, t.Any]
    _has_warned = False

    config_jsonschema = SETTINGS
    stream_classes = (FulfillmentEventsStream, FulfillmentEventItemsStream)

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        if not hasattr(self, "emitted"):
            self.emitted = collections.Counter()
            self.counts = {}
        quieten_clients()
        self.append_builtin_config(self.config_jsonschema)
        try:
            super().__init__(*args, **with_variables(self.name, self.config_jsonschema, kwargs))
        except (FileNotFoundError, ValueError) as error:
            said = wrong_variable(self.name, self.config_jsonschema) if kwargs.get("parse_env_config") else ""
            raise ConfigurationError(f"configuration, state or catalog cannot be read: {said}{error}") from error
        if kwargs.get("validate_config", True) and (url := self.config.get("landing_url")):
            check_landing_url(url)

    @property
    def config(self) -> Mapping[str, t.Any]:
        """The settings; export files have a landing store of their own if none is set."""
        return with_landing_url(super().config)

    @functools.cached_property
    def ready_at(self) -> int | None:
        """The result of `make_ready`, which runs once: it brings the landing store up to date with the source."""
        return make_ready(self.config)

    def warn_once(self, holes: Holes, store: LandingStore) -> None:
        """Say what is set aside in the landing store, once a run."""
        if not self._has_warned:
            self._has_warned = True
            self.counts.update(warn(holes, store.far_ahead.note()))

    def load_state(self, state: dict[str, t.Any]) -> None:
        """Take over the input state.

        Raises:
            StateError: its bookmarks are not what this tap writes.
        """
        super().load_state({**state, "bookmarks": bookmarks_of(state)})

    def discover_streams(self) -> Sequence[Stream]:
        """Return the streams of this tap."""
        return [stream(self) for stream in self.stream_classes]

    def setup_mapper(self) -> None:
        """Register the streams' maps. A stream that is not selected keeps its fields, because `--test` reads it too."""
        super().setup_mapper()
        for stream in self.streams.values():
            if not stream.selected:
                self.mapper.register_raw_stream_schema(stream.name, stream.schema, stream.primary_keys)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; a secret of another kind than text is not shown."""
        try:
            return without_values(super()._validate_config(raise_errors=raise_errors))
        except ConfigValidationError as error:
            error.errors = without_values(error.errors)
            raise

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Exit at once, without another message.

        The SDK would write a STATE from inside the signal handler, possibly in the middle of a
        line. The last STATE already written is right; what followed it is sent again.
        """
        del frame
        raise SystemExit(128 + signum)

    @classmethod
    def invoke(cls, *, about: bool = False, **options: t.Any) -> None:
        """Run the command; the last line in the log says what was emitted and how the run ended."""
        if about:
            super().invoke(about=True, **options)
            return
        emitted: collections.Counter[str] = collections.Counter()
        # The SDK keeps the instance it makes to itself; a subclass for this run hands it the counters.
        counts: dict[str, t.Any] = {"records": emitted}
        run = t.cast("type[TapNewStoreFulfillment]", type(cls.__name__, (cls,), {"emitted": emitted, "counts": counts}))
        summary = RunSummary(counts)
        with summary.step(is_last=True):
            for option in ("state", "catalog"):
                if options.get(option):
                    options[option] = checked(option, options[option])
            super(TapNewStoreFulfillment, run).invoke(**options)
            if emitted.total():
                summary.outcome = "sent"

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command, with this package's exit codes."""
        return report_errors(super().get_singer_command(), cls.logger)
