"""Moments as an ERP writes them, in epoch milliseconds."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo

from mapper_newstore_stock.errors import ConfigurationError

KNOWN_MOMENTS = 1024


class MomentReader:
    """Reads times of day of a zone; most rows of a list share a few of them.

    Args:
        zone: What a time without a zone is in, such as `Europe/Berlin`.

    Raises:
        ConfigurationError: there is no such zone.
    """

    def __init__(self, zone: str) -> None:
        try:
            self._zone = zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"taken_at_timezone: there is no time zone {zone!r}", "Name one such as Europe/Berlin"
            ) from error
        self._read_text = functools.lru_cache(KNOWN_MOMENTS)(self._parse)

    @classmethod
    @functools.cache
    def of(cls, zone: str) -> MomentReader:
        """Return the reader of a zone."""
        return cls(zone)

    def known(self, value: object) -> int | None:
        """Return a moment; None when it cannot be read."""
        try:
            return self.read(value)
        except ValueError:
            return None

    def read(self, value: object) -> int:
        """Return a moment.

        Raises:
            ValueError: it is none; says what is expected.
        """
        if isinstance(value, dt.datetime):
            return self._milliseconds(value)
        if type(value) is str:
            return self._read_text(value)
        raise ValueError("expected a time, such as 2025-03-04T02:00:00+01:00")

    def parsed(self, text: str, layout: str) -> int:
        """Return a moment that is written in a layout of `strptime`.

        Raises:
            ValueError: it is not.
        """
        return self._milliseconds(dt.datetime.strptime(text, layout))  # noqa: DTZ007 - the zone is added

    def _parse(self, text: str) -> int:
        try:
            return self._milliseconds(dt.datetime.fromisoformat(text.strip()))
        except (ValueError, OverflowError):
            raise ValueError("expected a time, such as 2025-03-04T02:00:00+01:00") from None

    def _milliseconds(self, moment: dt.datetime) -> int:
        if moment.tzinfo:
            return int(moment.timestamp() * 1000)
        # Where the clocks are changed a time may mean two moments: the earlier one proves less.
        return int(min(moment.replace(tzinfo=self._zone, fold=fold).timestamp() for fold in (0, 1)) * 1000)


def names_a_day(layout: str) -> bool:
    """Return whether a layout of `strptime` tells year, month and day; what is left out would be 1900-01-01's."""
    day = dt.date(2025, 3, 4)
    others = (day.replace(year=2024), day.replace(month=2), day.replace(day=5))
    return all(other.strftime(layout) != day.strftime(layout) for other in others)
