"""The SQL and the settings of docs/your-erp.md, run on the tables they are for."""

from __future__ import annotations

import re
import sqlite3
import typing as t

import psycopg
import yaml

from tests.mapper.shop_day import ShopDay, completed
from tests.structure.packages import ROOT

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

PAGE = (ROOT / "docs" / "your-erp.md").read_text(encoding="utf-8")
ODOO = """
CREATE TABLE stock_location (id integer PRIMARY KEY, complete_name varchar, usage varchar);
CREATE TABLE product_product (id integer PRIMARY KEY, default_code varchar);
CREATE TABLE stock_quant (id integer PRIMARY KEY, product_id integer, location_id integer, quantity numeric);
CREATE TABLE stock_picking (id integer PRIMARY KEY, origin varchar);
CREATE TABLE stock_move (id integer PRIMARY KEY, product_id integer, location_id integer, location_dest_id integer,
  picking_id integer, product_uom_qty numeric, state varchar);
INSERT INTO stock_location VALUES (1, 'DC01', 'internal'), (2, 'Customers', 'customer'), (3, 'Vendors', 'supplier');
INSERT INTO product_product VALUES (1, 'SKU-1'), (2, 'SKU-2');
INSERT INTO stock_quant VALUES (1, 1, 1, 9.0), (2, 2, 1, 5.0), (3, 1, 3, -20.0);
INSERT INTO stock_picking VALUES (1, 'order-11'), (2, 'order-12'), (3, NULL);
INSERT INTO stock_move VALUES
  (1, 1, 1, 2, 1, 1.0, 'done'), (2, 1, 1, 2, 2, 1.0, 'assigned'),
  (3, 1, 1, 2, 3, 1.0, 'done'), (4, 1, 3, 1, 1, 5.0, 'done');
"""
OWN_SHOP = """
CREATE TABLE stock (warehouse TEXT, sku TEXT, on_hand INTEGER);
CREATE TABLE shipment (request TEXT, sku TEXT, unit INTEGER);
INSERT INTO stock VALUES ('DC01', 'SKU-1', 9), ('DC01', 'SKU-2', 5);
INSERT INTO shipment VALUES ('fr-11', 'SKU-1', 1);
"""


def section(heading: str) -> dict[str, t.Any]:
    """Return the mapper's settings a section of the page gives: its two queries, and its YAML."""
    text = PAGE.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    numbers, booked = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    settings: dict[str, t.Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    return {"on_hand_query": numbers, "booked_query": booked, **settings}


def two_completions_one_of_them_booked(day: ShopDay) -> None:
    events = [completed(at, order_id=f"order-{at}", fulfillment_request_id=f"fr-{at}") for at in (11, 12)]
    (cut,) = day.run(*events)
    assert cut.quantities == {("DC01", "SKU-1"): 8, ("DC01", "SKU-2"): 5}


def test_odoo_on_postgresql(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(ODOO)
    day = ShopDay(tmp_path, on_hand_url=url, **section("Odoo, on PostgreSQL"), booked_reversible=True)
    two_completions_one_of_them_booked(day)


def test_a_shop_of_its_own_on_sqlite(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(OWN_SHOP)
    connection.close()
    day = ShopDay(tmp_path, on_hand_url=f"sqlite:///{tmp_path / 'shop.db'}", **section("A shop of your own, on SQLite"))
    two_completions_one_of_them_booked(day)
