"""Sets up the ERP's database, and books changes up to what the mapper's ledger has taken."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.resources
import typing as t
from pathlib import Path

import sqlalchemy as sa

from newstore_erp_postgresql.address import address
from newstore_erp_postgresql.errors import ErpError, SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

NAMED_KEYS = 20
#: The mapper makes its ledger in its first run.
RUN_FIRST = "run newstore-stock-sync first"
#: Which kinds of database a setting may name, as SQLAlchemy calls them, and as people do.
KINDS = {
    "database_url": {"postgresql": "PostgreSQL"},
    "ledger_url": {"sqlite": "SQLite", "postgresql": "PostgreSQL"},
}


@dataclasses.dataclass(frozen=True)
class Taken:
    """What the mapper has taken.

    Attributes:
        through: The highest logical timestamp taken; None if nothing was.
        run: The mapper's last run that took events.
    """

    through: int | None
    run: int | None


@dataclasses.dataclass(frozen=True)
class Applied:
    """The result of one call of `apply`.

    Attributes:
        changes: How many changes it booked.
        waiting: How many changes are loaded but not booked yet.
        keys_without_row: The first keys that have no row in `stock_on_hand`, as `location/product`.
    """

    changes: int
    waiting: int
    keys_without_row: tuple[str, ...]


def setup(database_url: str) -> None:
    """Create the tables and functions of `stock_on_hand.sql`, or bring the functions up to date.

    Raises:
        ErpError: the database cannot be reached, or refuses.
        SettingsError: `database_url` names no database.
    """
    script = importlib.resources.files(__package__).joinpath("stock_on_hand.sql").read_text(encoding="utf-8")
    with _connection(database_url, "database_url") as connection:
        # Begins the transaction. Only the driver can run a script of several statements.
        connection.execute(sa.select(1))
        with connection.connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(script)
        connection.commit()


def taken_by(ledger_url: str) -> Taken:
    """Read from the ledger of mapper-newstore-stock (view `runs`) what the mapper has taken.

    Raises:
        ErpError: there is no ledger, as before the mapper's first run, or it cannot be read.
        SettingsError: `ledger_url` names no database.
    """
    database = _file(_address(ledger_url, "ledger_url"))
    if database and not Path(database).exists():
        raise ErpError(f"ledger_url: no file {database}; {RUN_FIRST}")
    query = "SELECT max(taken_through), max(run) FROM runs WHERE taken_through IS NOT NULL"
    with _connection(ledger_url, "ledger_url") as connection:
        if not sa.inspect(connection).has_table("runs"):
            place = database or "that database"
            raise ErpError(f"ledger_url: no ledger is in {place}; {RUN_FIRST}, or correct ledger_url")
        through, run = connection.exec_driver_sql(query).one()
    return Taken(through, run)


def apply(database_url: str, taken: Taken) -> Applied:
    """Book waiting changes, up to what the mapper has taken.

    Raises:
        ErpError: the database is not set up, or cannot be reached.
        SettingsError: `database_url` names no database.
    """
    with _connection(database_url, "database_url") as connection:
        book = sa.text("SELECT newstore.apply_stock_changes(:through, :run)")
        changes = connection.execute(book, dataclasses.asdict(taken)).scalar_one()
        connection.commit()
        waiting = connection.exec_driver_sql("SELECT count(*) FROM newstore.stock_waiting").scalar_one()
        keys = connection.execute(
            sa.text(
                "SELECT DISTINCT fulfillment_node_id || '/' || product_id AS key FROM newstore.stock_waiting "
                "WHERE reason = 'no row' ORDER BY key LIMIT :most"
            ),
            {"most": NAMED_KEYS},
        ).scalars()
        return Applied(changes, waiting, tuple(keys))


@contextlib.contextmanager
def _connection(url: str, setting: str) -> Iterator[sa.Connection]:
    parsed = _address(url, setting)
    errors: tuple[type[Exception], ...] = (sa.exc.SQLAlchemyError, ImportError)
    try:
        with contextlib.ExitStack() as stack:
            engine = sa.create_engine(parsed)
            # What is run on the driver's own connection raises its own errors.
            errors += (engine.dialect.loaded_dbapi.Error,)
            stack.callback(engine.dispose)
            yield stack.enter_context(engine.connect())
    except errors as error:
        # A server's driver names the server.
        file = f" ({_file(parsed)})" if _file(parsed) else ""
        raise ErpError(f"{setting}: {_said(error)}{file}. Correct {setting}, or start its database") from error


def _address(url: str, setting: str) -> sa.URL:
    try:
        parsed = address(url)
        parsed.get_dialect()
    except sa.exc.ArgumentError as error:
        raise SettingsError(f"{setting}: {_said(error)}. Correct {setting}") from error
    kind = parsed.get_backend_name()
    if kind not in KINDS[setting]:
        expected = " or ".join(KINDS[setting].values())
        raise SettingsError(f"{setting}: expected {expected}, got {kind}. Correct {setting}")
    return parsed


def _said(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _file(url: sa.URL) -> str | None:
    """Return the file that a URL of SQLite names; None: it names none, or another database."""
    return url.database if url.drivername.startswith("sqlite") else None
