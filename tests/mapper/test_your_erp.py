"""The SQL and the settings of docs/your-erp.md, run on the tables they are for."""

from __future__ import annotations

import sqlite3
import typing as t

import psycopg

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.your_erp import settings_of

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.mariadb import MariaDb
    from tests.shop.postgresql import PostgreSql

#: In each of these a request of one unit is booked and another one is not; 10 units of SKU-1 were there, SKU-2 has been
#: sold out.
ODOO = """
CREATE TABLE stock_location (id integer PRIMARY KEY, complete_name varchar, usage varchar);
CREATE TABLE product_product (id integer PRIMARY KEY, default_code varchar);
CREATE TABLE stock_quant (id integer PRIMARY KEY, product_id integer, location_id integer, quantity numeric);
CREATE TABLE stock_picking (id integer PRIMARY KEY, origin varchar);
CREATE TABLE stock_move (id integer PRIMARY KEY, product_id integer, location_id integer, location_dest_id integer,
  picking_id integer, product_uom_qty numeric, state varchar);
INSERT INTO stock_location VALUES (1, 'DC01', 'internal'), (2, 'Customers', 'customer'), (3, 'Vendors', 'supplier');
INSERT INTO product_product VALUES (1, 'SKU-1'), (2, 'SKU-2'), (3, NULL);
INSERT INTO stock_quant VALUES (1, 1, 1, 9.0), (3, 1, 3, -20.0), (4, 3, 1, 7.0);
INSERT INTO stock_picking VALUES (1, 'order-11'), (2, 'order-12'), (3, NULL);
INSERT INTO stock_move VALUES
  (1, 1, 1, 2, 1, 1.0, 'done'), (2, 1, 1, 2, 2, 1.0, 'assigned'),
  (3, 1, 1, 2, 3, 1.0, 'done'), (4, 1, 3, 1, 1, 5.0, 'done'), (5, 2, 1, 2, 3, 1.0, 'done');
"""
ERPNEXT = """
CREATE TABLE `tabBin` (name varchar(140) PRIMARY KEY, item_code varchar(140), warehouse varchar(140),
  actual_qty decimal(21,9) NOT NULL DEFAULT 0) ENGINE=InnoDB;
CREATE TABLE `tabDelivery Note` (name varchar(140) PRIMARY KEY, po_no varchar(140), docstatus int, is_return int)
  ENGINE=InnoDB;
CREATE TABLE `tabDelivery Note Item` (name varchar(140) PRIMARY KEY, parent varchar(140), item_code varchar(140),
  warehouse varchar(140), stock_qty decimal(21,9)) ENGINE=InnoDB;
INSERT INTO `tabBin` VALUES ('b1', 'SKU-1', 'DC01', 9), ('b2', 'SKU-2', 'DC01', 0);
INSERT INTO `tabDelivery Note` VALUES
  ('DN-1', 'order-11', 1, 0), ('DN-2', 'order-12', 2, 0), ('DN-3', '', 1, 0), ('DN-4', 'order-12', 1, 1);
INSERT INTO `tabDelivery Note Item` VALUES
  ('i1', 'DN-1', 'SKU-1', 'DC01', 1), ('i2', 'DN-2', 'SKU-1', 'DC01', 1), ('i3', 'DN-3', 'SKU-1', 'DC01', 1),
  ('i4', 'DN-4', 'SKU-1', 'DC01', -1);
"""
OWN_SHOP = """
CREATE TABLE stock (warehouse TEXT, sku TEXT, on_hand INTEGER);
CREATE TABLE shipment (request TEXT, sku TEXT, unit INTEGER);
INSERT INTO stock VALUES ('DC01', 'SKU-1', 9), ('DC01', 'SKU-2', 0);
INSERT INTO shipment VALUES ('fr-11', 'SKU-1', 1);
"""
SKU, SOLD_OUT = ("DC01", "SKU-1"), ("DC01", "SKU-2")


def a_day(directory: Path, url: str, heading: str, **settings: t.Any) -> ShopDay:
    return ShopDay(directory, on_hand_url=url, **(settings_of(heading) | settings))


def two_completions_one_of_them_booked(day: ShopDay) -> None:
    events = [completed(at, order_id=f"order-{at}", fulfillment_request_id=f"fr-{at}") for at in (11, 12)]
    (cut,) = day.run(*events)
    assert cut.quantities == {SKU: 8, SOLD_OUT: 0}


def test_odoo_on_postgresql(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(ODOO)
    day = a_day(tmp_path, url, "### Odoo, on PostgreSQL", booked_reversible=True)
    two_completions_one_of_them_booked(day)


def test_erpnext_on_mariadb(tmp_path: Path, mariadb: MariaDb) -> None:
    day = a_day(tmp_path, mariadb.new_database(ERPNEXT), "### ERPNext, on MariaDB")
    two_completions_one_of_them_booked(day)


def test_a_delivery_note_of_erpnext_that_is_cancelled_is_booked_no_more(tmp_path: Path, mariadb: MariaDb) -> None:
    url = mariadb.new_database(ERPNEXT)
    day = a_day(tmp_path, url, "### ERPNext, on MariaDB")
    two_completions_one_of_them_booked(day)
    mariadb.execute(
        "UPDATE `tabBin` SET actual_qty = 10 WHERE item_code = 'SKU-1';"
        "UPDATE `tabDelivery Note` SET docstatus = 2 WHERE name = 'DN-1'",
        url,
    )
    # 10, and neither is in it.
    assert day.run() == []


def test_a_shop_of_its_own_on_sqlite(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(OWN_SHOP)
    connection.close()
    day = a_day(tmp_path, f"sqlite:///{tmp_path / 'shop.db'}", "### A shop of your own, on SQLite")
    two_completions_one_of_them_booked(day)
