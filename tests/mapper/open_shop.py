"""An ERP on PostgreSQL whose clerks have transactions open while the mapper reads."""

from __future__ import annotations

import contextlib
import typing as t

import psycopg
import sqlalchemy as sa
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.ledger.tables import is_present, on_hand

from tests.mapper.shop_day import ShopDay

if t.TYPE_CHECKING:
    from pathlib import Path

#: How an ERP may fill its column, as far as a transaction that is open can be told from one that begins later.
STAMPS = {
    "time of the transaction": ("timestamptz", "now()"),
    "time of the change": ("timestamptz", "clock_timestamp()"),
    "time without a zone": ("timestamp", "now()"),
    "sequence": ("bigint", "nextval('version')"),
}
Numbers = dict[str, int]


class Clerk:
    """A session on the ERP's database."""

    def __init__(self, url: str, stamp: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.stamp = stamp

    def begin(self) -> None:
        """Begin a transaction and take its time, but write nothing yet."""
        self.connection.execute("BEGIN")
        self.connection.execute("SELECT now()")

    def write(self, product: str, quantity: int) -> None:
        self.connection.execute(
            f"INSERT INTO stock VALUES ('DC01', %s, %s, NULL, {self.stamp}) ON CONFLICT (product_id)"
            " DO UPDATE SET quantity = excluded.quantity, updated_at = excluded.updated_at",
            (product, quantity),
        )

    def delete(self, product: str) -> None:
        self.connection.execute("DELETE FROM stock WHERE product_id = %s", (product,))

    def end(self, how: str = "COMMIT") -> None:
        self.connection.execute(how.encode())


class OpenShop:
    """The ERP, and a mapper that reads it. Use it in a `with` block.

    Args:
        directory: For the ledger.
        url: Of an empty database.
        filled: One of STAMPS.
        settings: The mapper's.
    """

    def __init__(self, directory: Path, url: str, filled: str, **settings: t.Any) -> None:
        self._url = str(sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
        self._resources = contextlib.ExitStack()
        kind, self._stamp = STAMPS[filled]
        self.boss = self.clerk()
        self.boss.connection.execute(
            "CREATE TABLE stock (fulfillment_node_id text, product_id text PRIMARY KEY, quantity integer,"
            f" as_of_logical_timestamp bigint, updated_at {kind})".encode()
        )
        self.boss.connection.execute("CREATE SEQUENCE version")
        self.boss.write("FIRST", 1)
        self.day = ShopDay(
            directory,
            on_hand_url=url,
            on_hand_table="stock",
            on_hand_updated_column="updated_at",
            clock_skew_seconds=0,
            max_vanished_percent=100,
            **settings,
        )

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def clerk(self) -> Clerk:
        clerk = Clerk(self._url, self._stamp)
        self._resources.callback(clerk.connection.close)
        return clerk

    def numbers(self) -> Numbers:
        """Return what the ERP's table says."""
        return dict(self.boss.connection.execute("SELECT product_id, quantity FROM stock").fetchall())

    def known(self) -> Numbers:
        """Return what the mapper has read."""
        engine = open_engine(self.day.settings["ledger_url"])
        with engine.connect() as connection:
            row = on_hand.c
            rows = connection.execute(sa.select(row.product_id, row.quantity).where(is_present)).all()
        engine.dispose()
        return {row.product_id: row.quantity for row in rows}
