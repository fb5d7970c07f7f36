"""What may be the URL of a landing store, before anybody connects to it."""

from __future__ import annotations

import sqlalchemy as sa

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import ConfigurationError

#: What a landing store can be kept in.
KINDS = ("sqlite", "postgresql")


def check_landing_url(url: str, setting: str = "landing_url") -> None:
    """Refuse a text that is no URL, a database that is no store here, and SQLite in memory.

    In memory each process would have an empty store of its own.

    Args:
        url: SQLAlchemy URL.
        setting: What has it, for errors.

    Raises:
        ConfigurationError: it names no place that lasts, or none that can keep it; the text shows none of it.
    """
    try:
        parsed = address(url)
    except sa.exc.ArgumentError as error:
        said = str(error).replace(" from given URL string", "")
        raise ConfigurationError(f"{setting}: {said}", f"Correct {setting}") from error
    kind = parsed.drivername.partition("+")[0]
    if kind not in KINDS:
        said = f"{setting}: expected SQLite or PostgreSQL, got {kind}"
        raise ConfigurationError(said, "Name one: sqlite:////path/to/file.db or postgresql://host/database")
    in_memory = parsed.database in (None, "", ":memory:", "file::memory:") or parsed.query.get("mode") == "memory"
    if kind == "sqlite" and in_memory:
        said = f"{setting}: SQLite in memory keeps nothing, and no other process sees it"
        raise ConfigurationError(said, "Name a file: sqlite:////path/to/landing.db")
