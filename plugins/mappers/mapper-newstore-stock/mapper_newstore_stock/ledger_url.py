"""The URL of the ledger: what may be one, and the one a command of `newstore-stock-ledger` asks."""

from __future__ import annotations

import functools
import typing as t

import click
import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import ConfigurationError

if t.TYPE_CHECKING:
    from collections.abc import Callable

P = t.ParamSpec("P")
R = t.TypeVar("R")

#: What a ledger can be kept in.
KINDS = ("sqlite", "postgresql")


def pass_ledger_url(command: Callable[t.Concatenate[str, P], R]) -> Callable[P, R]:
    """Pass the ledger's URL to a command as its first argument, and refuse to begin without one."""

    @click.pass_obj
    def wrapper(ledger_url: str | None, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not ledger_url:
            raise ConfigurationError("ledger_url: set --ledger-url, --config or MAPPER_NEWSTORE_STOCK_LEDGER_URL")
        check_ledger_url(ledger_url)
        return command(ledger_url, *args, **kwargs)

    return functools.update_wrapper(wrapper, command)


def check_ledger_url(url: str, setting: str = "ledger_url") -> None:
    """Refuse a text that is no URL, a database that is no store here, and SQLite in memory.

    In memory each run would forget what was sent.

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
        raise ConfigurationError(said, "Name a file: sqlite:////path/to/ledger.db")
