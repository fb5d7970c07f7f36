"""The sources of the ERP's rows: one from the flat settings, or several of `on_hand_sources`, each with its nodes."""

from __future__ import annotations

import functools
import math
import time
import typing as t

from mapper_newstore_stock.errors import ConfigurationError, StaleListError
from mapper_newstore_stock.run.absent_rows import ListRules
from mapper_newstore_stock.run.erp_inputs import ErpInputs, check_source
from mapper_newstore_stock.run.fingerprints import fingerprint
from mapper_newstore_stock.run.globs import matcher

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mapper_newstore_stock.run.bookings import BookingSource
    from mapper_newstore_stock.run.on_hand import OnHandSource

#: The settings that say where rows are: in the one source of a flat configuration, or in each of several.
PLACES = ("on_hand_url", "on_hand_table", "on_hand_query", "booked_url", "booked_table", "booked_query")
MAX_AGE = "max_on_hand_age_minutes"
#: How long the rows of one of several sources stand when it cannot be read, unless it says so itself.
DEFAULT_MAX_AGE_MINUTES = 1440
MS_PER_MINUTE, MS_PER_HOUR = 60_000, 3_600_000


class Source:
    """One source of the ERP's rows.

    Args:
        name: Its name; "" for the one of a flat configuration.
        nodes: The fulfillment nodes it owns (`*` globs); None: all.
        config: Its settings, with those of the mapper where it has none of its own.
        now: Returns epoch seconds.
    """

    def __init__(
        self, name: str, nodes: Sequence[str] | None, config: Mapping[str, t.Any], now: Callable[[], float]
    ) -> None:
        self.name, self.nodes = name, nodes
        self._config = config
        self.owns: Callable[[str], object] = (matcher(nodes) if nodes is not None else None) or (lambda _node: True)
        self.inputs = ErpInputs(config, now)
        self.rules = ListRules(
            source=name,
            vanished_rows=config["vanished_rows"],
            max_vanished_percent=config["max_vanished_percent"],
            ignored_nodes=config["ignored_nodes"],
            ignored_products=config["ignored_products"],
            nodes=nodes,
        )
        #: How often all its rows are read, milliseconds.
        self.full_read_ms = int(config["full_read_hours"] * MS_PER_HOUR)
        minutes = config.get(MAX_AGE, DEFAULT_MAX_AGE_MINUTES if name else None)
        #: How old its numbers may be, milliseconds; None: any age, but each run must read them.
        self.max_age_ms = None if minutes is None else int(minutes * MS_PER_MINUTE)

    def fingerprint(self, read: OnHandSource | BookingSource) -> str:
        """Tell whether a line of one of its lists means the same: by settings, code, columns and kind of list."""
        # Settings need not name the columns that are read, and a pattern may match lists of several kinds.
        return fingerprint(dict(self._config), [read.place.kind, read.names])

    def is_too_old(self, taken_at: int | None, now_ms: int) -> bool:
        """Return whether numbers of an age may not be used any more.

        Args:
            taken_at: When they were taken, epoch milliseconds.
            now_ms: The time, epoch milliseconds.
        """
        return self.max_age_ms is not None and (taken_at is None or now_ms - taken_at > self.max_age_ms)

    def refuse_old_list(self, now_ms: int) -> None:
        """Refuse a list that may not be used any more.

        Args:
            now_ms: The time, epoch milliseconds.

        Raises:
            StaleListError: says how old it is.
        """
        taken_at = self.inputs.list_taken_at
        if taken_at is not None and self.max_age_ms is not None and self.is_too_old(taken_at, now_ms):
            minutes, most = math.ceil((now_ms - taken_at) / MS_PER_MINUTE), self.max_age_ms / MS_PER_MINUTE
            name = self.inputs.on_hand.place.name
            raise StaleListError(
                f"{name} is {minutes} minutes old, more than {MAX_AGE} ({most:g})",
                "See why the ERP has written no newer one",
            )


class Sources:
    """All sources of a run.

    Args:
        config: The mapper's settings.
        now: Returns epoch seconds.

    Raises:
        ConfigurationError: the settings do not fit each other; names them.
    """

    def __init__(self, config: Mapping[str, t.Any], now: Callable[[], float] = time.time) -> None:
        named = config.get("on_hand_sources")
        self.now = now
        if named is None:
            self._sources = [Source("", None, config, now)]
        else:
            self._sources = [Source(of["name"], of["nodes"], _merged(config, of), now) for of in named]

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def needs_references(self) -> bool:
        """Whether the ledger must know what units can be proven by."""
        return any(source.inputs.needs_references for source in self)

    @functools.cache  # noqa: B019 - as long-lived as the run
    def owner(self, node: str) -> str | None:
        """Return the name of the source that owns a fulfillment node; None: none does.

        Raises:
            ConfigurationError: two do.
        """
        names = [source.name for source in self if source.owns(node)]
        if len(names) > 1:
            raise ConfigurationError(
                f"on_hand_sources: {names[0]} and {names[1]} both own the fulfillment node {node}, so its keys are in "
                f"two sources. Make their nodes disjoint"
            )
        return names[0] if names else None


def check_sources(config: Mapping[str, t.Any]) -> None:
    """Check that the settings of each source fit each other.

    Raises:
        ConfigurationError: they do not; names source and settings.
    """
    named = config.get("on_hand_sources")
    if named is None:
        check_source(config)
        return
    flat = [setting for setting in PLACES if config.get(setting)]
    if flat:
        raise ConfigurationError(f"on_hand_sources, {flat[0]}: set one of them; each source says where its rows are")
    names = [of["name"] for of in named]
    if not names:
        raise ConfigurationError("on_hand_sources: it is empty; name at least one source, or set on_hand_url")
    twice = [name for name in names if names.count(name) > 1 or not name.strip()]
    if twice:
        raise ConfigurationError(f"on_hand_sources: the name {twice[0]!r} must be given, and to one source alone")
    for of in named:
        try:
            check_source(_merged(config, of))
        except ConfigurationError as error:
            raise ConfigurationError(f"on_hand_sources, {of['name']}: {error}") from error


def forms_of_proof(config: Mapping[str, t.Any]) -> list[str]:
    """Return how the numbers of the sources prove what they contain, each form once."""
    flat = config["on_hand_as_of"]
    return sorted({of.get("on_hand_as_of", flat) for of in config.get("on_hand_sources") or [{}]})


def _merged(config: Mapping[str, t.Any], of: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**config, **of}
