"""What one run reads from the ERP, and how its numbers prove what they contain: from the settings."""

from __future__ import annotations

import datetime as dt
import functools
import time
import typing as t

from mapper_newstore_stock.errors import ClockError, ConfigurationError
from mapper_newstore_stock.ledger.proof import Proof
from mapper_newstore_stock.run.bookings import BookingSource
from mapper_newstore_stock.run.clocks import newstore_difference, refuse_difference
from mapper_newstore_stock.run.column_names import named_columns, refuse_column_named_twice
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.layouts import csv_format, number_reader, on_hand_format
from mapper_newstore_stock.run.list_files import ListFile, ListFiles
from mapper_newstore_stock.run.moments import MomentReader, names_a_day
from mapper_newstore_stock.run.on_hand import TAKEN_AT, OnHandSource, columns_asked
from mapper_newstore_stock.run.places import Place, has_snapshots, is_sql

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mapper_newstore_stock.ledger.proof import Form


class ErpInputs:
    """The sources of one run.

    Args:
        config: The mapper's settings.
        now: Returns epoch seconds.

    Raises:
        ConfigurationError: the settings do not fit each other; names them.
    """

    def __init__(self, config: Mapping[str, t.Any], now: Callable[[], float] = time.time) -> None:
        self._config = config
        self._now = now
        self._form: Form = config["on_hand_as_of"]
        self._skew_ms = int(config["clock_skew_seconds"] * 1000)
        check_source(config)

    @property
    def contained_through(self) -> int | None:
        """Completions up to this logical timestamp are in every number."""
        return self._config.get("contained_through")

    @property
    def needs_references(self) -> bool:
        """Whether the ledger must know what units can be proven by."""
        return self._form in ("taken_at", "booked")

    @functools.cached_property
    def on_hand(self) -> OnHandSource:
        """Where the numbers are.

        Raises:
            OnHandError: no file is there that counts.
        """
        config = self._config
        return OnHandSource(
            self._place,
            form=self._form,
            columns=self._columns,
            ignored_nodes=config["ignored_nodes"],
            ignored_products=config["ignored_products"],
            updated_column=config.get("on_hand_updated_column"),
            zone=config["taken_at_timezone"],
            skew_ms=self._skew_ms,
            latest=self._latest,
            numbers=number_reader(config),
            taken_by=[config.get("nodes"), self.contained_through],
        )

    @property
    def _place(self) -> Place:
        config = self._config
        place = Place("on_hand", self._list.url, config.get("on_hand_table"), config.get("on_hand_query"))
        return place._replace(layout=on_hand_format(config, place.kind))

    @functools.cached_property
    def _columns(self) -> Mapping[str, str]:
        """The source's own names; `taken_at` is among them if its rows say when they were taken.

        A file's rows say so before its time does: a file that is copied is younger than its numbers.
        """
        config, place = self._config, self._place
        columns = named_columns(config, "on_hand_columns")
        if self._form != "taken_at" or TAKEN_AT in columns:
            return columns
        if not place.is_sql:
            with ErpTables() as erp:
                if config.get("taken_at_format") or TAKEN_AT not in erp.columns(place):
                    return columns
        return {**columns, TAKEN_AT: TAKEN_AT}

    @functools.cached_property
    def _list(self) -> ListFile:
        config, url = self._config, self._config["on_hand_url"]
        if is_sql(url):
            return ListFile(url)
        files = ListFiles(
            url,
            MomentReader.of(config["taken_at_timezone"]),
            done_marker=config.get("on_hand_done_marker") or "",
            name_format=config.get("taken_at_format") or "",
            lag_ms=config["on_hand_lag_seconds"] * 1000,
        )
        is_dated = self._form == "taken_at" and TAKEN_AT not in named_columns(config, "on_hand_columns")
        return files.newest(dated=is_dated or config.get("max_on_hand_age_minutes") is not None)

    @property
    def list_taken_at(self) -> int | None:
        """When the file that counts was written or says it was taken, epoch milliseconds; None: nobody has asked."""
        return self._list.taken_at

    @property
    def _taken_at(self) -> int | None:
        """When all numbers were taken, epoch milliseconds; None: each says so itself, or need not.

        Raises:
            OnHandError: it is in the future.
        """
        if self._form != "taken_at" or self.on_hand.says_when:
            return None
        url, taken_at = self._list
        if taken_at is not None and taken_at > self._latest:
            raise ClockError(
                f"{url}: it says it was taken at {_iso(taken_at)}, in the future. Correct the clock that "
                f"wrote it, or taken_at_format and taken_at_timezone"
            )
        return taken_at

    @property
    def _latest(self) -> int:
        """A number cannot have been taken later, epoch milliseconds."""
        return int(self._now() * 1000) + self._skew_ms

    @functools.cached_property
    def bookings(self) -> BookingSource | None:
        """Where the bookings are; None: another form of proof."""
        if self._form != "booked":
            return None
        config = self._config
        table, query = config.get("booked_table"), config.get("booked_query")
        place = Place("booked", booked_url(config), table, query, csv_format(config))
        options = {"is_reversible": config["booked_reversible"], "numbers": number_reader(config)}
        if columns := named_columns(config, "booked_columns"):
            return BookingSource(place, columns, **options)
        with ErpTables() as erp:
            return BookingSource.found(place, erp.columns(place), **options)

    def proof(self, erp: ErpTables) -> Proof:
        """Return how the numbers prove what they contain.

        Raises:
            OnHandError, ConfigurationError: they do not.
        """
        source = self.on_hand
        if self._form == "current" and erp.is_standby(source.place):
            raise ConfigurationError(
                f"on_hand_as_of: current needs the ERP's own numbers, and {source.place.name} is read from a standby, "
                f"which lags behind. Read from the primary, or use booked with the bookings from the same standby"
            )
        if self._form == "taken_at":
            self._compare_clocks(erp)
        known_by = self.bookings.fingerprint if self.bookings else "rows" if source.says_when else ""
        return Proof(
            form=self._form,
            skew_ms=self._skew_ms if self._form == "taken_at" else 0,
            taken_at=self._taken_at,
            contained_through=self.contained_through,
            known_by=known_by,
            place=self.bookings.place.fingerprint if self.bookings else "",
        )

    def _compare_clocks(self, erp: ErpTables) -> None:
        place, url = self.on_hand.place, self._config.get("newstore_clock_url")
        of_erp = erp.clock_difference(place) if place.is_sql else None
        of_newstore = newstore_difference(url) if url else None
        refuse_difference(of_newstore, of_erp, self._config["clock_skew_seconds"])


def ignore_before(config: Mapping[str, t.Any]) -> int | None:
    """Return before when units were shipped that never stood on these shelves, epoch milliseconds; None: all did.

    Raises:
        ConfigurationError: `ignore_shipped_before` is no time.
    """
    text = config.get("ignore_shipped_before")
    if not text:
        return None
    try:
        return MomentReader.of("UTC").read(text)
    except ValueError as error:
        raise ConfigurationError(f"ignore_shipped_before: {text!r}: {error}") from error


def booked_url(config: Mapping[str, t.Any]) -> str:
    """Return where the bookings are: beside the numbers unless a setting says otherwise."""
    return str(config.get("booked_url") or config["on_hand_url"])


def check_source(config: Mapping[str, t.Any]) -> None:
    """Check that the settings of a source fit each other, and the form of proof fits the source.

    Raises:
        ConfigurationError: they do not; says which settings to change.
    """
    number_reader(config)
    form, url = config["on_hand_as_of"], config["on_hand_url"]
    on_hand_format(config, Place("on_hand", url).kind)
    table, query = config.get("on_hand_table"), config.get("on_hand_query")
    if table and query:
        raise ConfigurationError("on_hand_table, on_hand_query: set one of them, not both")
    if is_sql(url) and not (table or query):
        raise ConfigurationError("on_hand_table or on_hand_query: one is required when on_hand_url is a database")
    if not is_sql(url) and config.get("on_hand_updated_column"):
        raise ConfigurationError("on_hand_updated_column: it needs a database as on_hand_url; a file is read whole")
    if form == "current" and not is_sql(url):
        raise ConfigurationError(
            "on_hand_as_of: current is true of a live database alone; a file says what was so when it was written. "
            "Set taken_at, which proves what was published before the file was written, or booked"
        )
    layout = config.get("taken_at_format")
    if layout and not names_a_day(layout):
        raise ConfigurationError(
            f"taken_at_format: {layout} leaves out the year, the month or the day, so nobody can tell a file's age. "
            "Let the ERP write all three into its name, such as stock-%Y%m%d-%H%M.csv"
        )
    columns = named_columns(config, "on_hand_columns")
    refuse_column_named_twice("on_hand_columns", columns, columns_asked(form, columns))
    if form == "booked":
        _check_bookings(config)


def _check_bookings(config: Mapping[str, t.Any]) -> None:
    url, table, query = booked_url(config), config.get("booked_table"), config.get("booked_query")
    if table and query:
        raise ConfigurationError("booked_table, booked_query: set one of them, not both")
    if is_sql(url) and not (table or query):
        raise ConfigurationError("booked_table or booked_query: one is required when on_hand_as_of is booked")
    if not is_sql(url) and not config.get("booked_url"):
        raise ConfigurationError("booked_url: required when on_hand_as_of is booked and on_hand_url is a file")
    if config["booked_reversible"] and not (url == config["on_hand_url"] and has_snapshots(url)):
        raise ConfigurationError(
            "booked_reversible: bookings that can be taken back must be read at the same moment as the numbers: "
            "booked_url and on_hand_url must be one database, PostgreSQL, SQLite, MySQL or MariaDB"
        )
    columns = named_columns(config, "booked_columns")
    refuse_column_named_twice("booked_columns", columns, columns)


def _iso(epoch_ms: int) -> str:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="seconds")
