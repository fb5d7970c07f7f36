"""A database whose advisory locks are stubs is refused: two runs could write one ledger at once (design rule 10)."""

from __future__ import annotations

import typing as t

import psycopg
import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.ledger.store import Ledger
from tap_newstore_fulfillment import errors as tap_errors
from tap_newstore_fulfillment.landing.store import LandingStore

if t.TYPE_CHECKING:
    from tests.shop.postgresql import PostgreSql

STUBS = (
    "CREATE FUNCTION pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS ''",
)


@pytest.fixture
def url(postgresql: PostgreSql) -> str:
    """Return the URL of a database that grants every lock to everybody, as some do that speak PostgreSQL's protocol."""
    url = sa.make_url(postgresql.new_database())
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for stub in STUBS:
            connection.execute(stub.encode())
        connection.execute(f'ALTER DATABASE "{url.database}" SET search_path = public, pg_catalog'.encode())
    return url.render_as_string(hide_password=False)


def test_a_ledger_there_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^ledger_url: this database gives one lock to two sessions") as error:
        Ledger.at(url)
    assert error.value.exit_code == 2


def test_a_landing_store_there_is_refused(url: str) -> None:
    said = r"^landing_url: this database gives one lock to two sessions"
    with pytest.raises(tap_errors.ConfigurationError, match=said) as error:
        LandingStore(url)
    assert error.value.exit_code == 2


def test_postgresql_itself_is_not(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    Ledger.at(url).close()
    LandingStore(url).close()
