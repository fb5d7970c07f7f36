"""An ERP on PostgreSQL, as `newstore-erp-postgresql setup` makes it."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from newstore_erp_postgresql import stock

if t.TYPE_CHECKING:
    from collections.abc import Mapping

#: Above every logical timestamp in the tests.
ALL = 2**62

#: Books some waiting completions, the highest timestamps first, and all orders; else as `apply_stock_changes` does.
BOOK_LATEST = """
WITH held AS (
    SELECT 1 FROM newstore.stock_lock FOR UPDATE
), due AS (
    UPDATE newstore.stock_movement SET booked_at = clock_timestamp()
    WHERE booked_at IS NULL AND (on_hand_delta = 0 OR (event_id, fulfillment_node_id, product_id) IN (
        SELECT event_id, fulfillment_node_id, product_id FROM newstore.stock_movement, held
        WHERE booked_at IS NULL AND on_hand_delta <> 0 ORDER BY logical_timestamp DESC LIMIT :most
    ))
    RETURNING *
), change AS (
    SELECT s.fulfillment_node_id, s.product_id, sum(allocation_delta) AS allocation,
        sum(CASE WHEN logical_timestamp <= counted_through THEN 0 ELSE on_hand_delta END) AS on_hand
    FROM due JOIN newstore.stock_on_hand AS s
        ON s.fulfillment_node_id = due.fulfillment_node_id AND s.product_id = due.product_id
    GROUP BY 1, 2
)
UPDATE newstore.stock_on_hand AS s
SET quantity = s.quantity + on_hand, allocated = s.allocated + allocation, updated_at = clock_timestamp()
FROM change WHERE s.fulfillment_node_id = change.fulfillment_node_id AND s.product_id = change.product_id
"""

#: event_id, node, product, logical timestamp, on_hand_delta, allocation_delta
Change = tuple[str, str, str, int, int, int]


class ErpDatabase:
    """The ERP's database, and what a shop does in it.

    Args:
        url: SQLAlchemy URL of a database.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        stock.setup(url)
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

    def count(self, node: str, product: str, counted: int, through: int | None = None) -> None:
        """Enter a counted number."""
        self._do("SELECT newstore.count_stock(:a, :b, :c, :d)", a=node, b=product, c=counted, d=through)

    def count_all(self, counted: Mapping[tuple[str, str], int]) -> None:
        """Enter many counted numbers."""
        rows = [{"a": node, "b": product, "c": units} for (node, product), units in counted.items()]
        with self.engine.begin() as connection:
            connection.execute(sa.text("SELECT newstore.count_stock(:a, :b, :c)"), rows)

    def receive_goods(self, node: str, product: str, units: int) -> None:
        """Book received units."""
        self._do("SELECT newstore.receive_goods(:a, :b, :c)", a=node, b=product, c=units)

    def load(self, *changes: Change) -> None:
        """Load changes as target-postgres does: insert new ones, update known ones."""
        names = ("event_id", "fulfillment_node_id", "product_id", "logical_timestamp", "on_hand_delta")
        rows = [dict(zip((*names, "allocation_delta"), change, strict=True)) for change in changes]
        if not rows:
            return
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO newstore.stock_changes (event_id, fulfillment_node_id, product_id, "
                    "logical_timestamp, on_hand_delta, allocation_delta) SELECT :event_id, :fulfillment_node_id, "
                    ":product_id, :logical_timestamp, :on_hand_delta, :allocation_delta WHERE NOT EXISTS (SELECT 1 "
                    "FROM newstore.stock_changes WHERE event_id = :event_id AND product_id = :product_id)"
                ),
                rows,
            )

    def apply(self, through: int | None = ALL, run: int = 1) -> stock.Applied:
        """Book waiting changes."""
        return stock.apply(self.url, stock.Taken(through, run))

    def waiting(self) -> dict[tuple[str, str], int]:
        """Return how many completed units of each key are loaded and not booked."""
        query = (
            "SELECT fulfillment_node_id, product_id, -sum(on_hand_delta) AS units FROM newstore.stock_waiting "
            "WHERE on_hand_delta <> 0 GROUP BY 1, 2"
        )
        return {(row["fulfillment_node_id"], row["product_id"]): int(row["units"]) for row in self.rows(query)}

    def book_latest(self, most: int) -> None:
        """Book waiting completions in an order of the ERP's own: the highest timestamps first."""
        self._do(BOOK_LATEST, most=most)

    def numbers(self) -> dict[tuple[str, str], dict[str, t.Any]]:
        """Return quantity, allocated and as_of_logical_timestamp of each key."""
        query = (
            "SELECT fulfillment_node_id, product_id, quantity, allocated, as_of_logical_timestamp "
            "FROM newstore.stock_on_hand"
        )
        return {(row["fulfillment_node_id"], row["product_id"]): dict(row) for row in self.rows(query)}

    def busiest_keys(self, most: int) -> list[tuple[str, str]]:
        """Return the keys with the most changes."""
        query = (
            "SELECT fulfillment_node_id, product_id FROM newstore.stock_movement GROUP BY 1, 2 "
            f"ORDER BY count(*) DESC, 1, 2 LIMIT {most}"
        )
        return [(row["fulfillment_node_id"], row["product_id"]) for row in self.rows(query)]

    def rows(self, query: str) -> list[t.Any]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query)).mappings())

    def _do(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)
