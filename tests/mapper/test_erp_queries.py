"""Queries and names of tables and columns, as good SQL of their own has them."""

from __future__ import annotations

import sqlite3
import typing as t

import psycopg
import pytest
import sqlalchemy as sa
from mapper_newstore_stock.run.sql_tables import from_query, from_table
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from tests.mapper.on_hand_lists import a_table, refusal, rows_of
from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

SELECT = "select fulfillment_node_id,product_id,quantity,as_of_logical_timestamp from stock"
DIALECTS = [oracle.dialect, mssql.dialect, mysql.dialect, postgresql.dialect, sqlite.dialect]
A = ("DC01", "A", 5, None)
B = ("DC01", "B", 7, None)


def compiled(clause: sa.TextClause, dialect: t.Any) -> str:
    return str(sa.select(sa.column("product_id")).select_from(clause).compile(dialect=dialect()))


@pytest.fixture
def stock(tmp_path: Path) -> dict[str, t.Any]:
    settings = a_table(tmp_path, "TEXT,TEXT,INT,INT", A, B)
    del settings["on_hand_table"]
    return settings


@pytest.fixture
def server(postgresql: PostgreSql) -> t.Iterator[tuple[str, psycopg.Connection]]:
    url = postgresql.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield url, connection


@pytest.mark.parametrize(
    "end",
    [
        ";",
        " ; \n;",
        " -- only DCs",
        "; -- only DCs; all of them",
        " /* all\nof them; */",
        "\n;/* a */ -- b\n",
        " where product_id <> '; -- not the end'",
        " where product_id <> ';'",
        " where json_extract('{\"a\":1}','$.a')=1",
        " where product_id <> ':x' and 'a:b' <> ':c' -- :d",
        " where product_id like '%' or product_id = '100%'",
        " where product_id <> '--' /* ' */",
    ],
)
def test_a_query_is_taken_as_it_is_written(stock: dict[str, t.Any], end: str) -> None:
    assert rows_of(**stock, on_hand_query=SELECT + end) == [A, B]


@pytest.mark.parametrize(
    "query",
    [
        f"{SELECT} where '1'::int = 1 and product_id like '%' and quantity % 100 < 50;",
        f"{SELECT} where $$a; -- ' b$$ <> ''; -- the end",
        f"{SELECT} where $x$a;$x$ <> $$ $$ and (array[1,2])[1:1] = array[1]",
        f"""{SELECT} where '{{"a":1}}'::jsonb ->> 'a' = '1' and to_char(now(), 'HH24:MI:SS') <> ':1'""",
        f"with newest as ({SELECT}) select * from newest -- all",
        "select fulfillment_node_id, product_id, quantity, null as as_of_logical_timestamp from stock order by 2;",
    ],
)
def test_a_query_of_postgresql_is_taken_as_it_is_written(server: tuple[str, psycopg.Connection], query: str) -> None:
    url, connection = server
    connection.execute("CREATE TABLE stock (fulfillment_node_id text, product_id text, quantity int)")
    connection.execute("ALTER TABLE stock ADD as_of_logical_timestamp bigint")
    connection.execute("INSERT INTO stock VALUES ('DC01', 'A', 5, NULL), ('DC01', 'B', 7, NULL)")
    assert rows_of(on_hand_url=url, on_hand_query=query) == [A, B]


def test_a_colon_that_was_escaped_for_earlier_versions_is_a_colon_still(stock: dict[str, t.Any]) -> None:
    query = SELECT + r" where json_extract('{\"a\"\:1}','$.a')=1".replace(r"\"", '"')
    assert rows_of(**stock, on_hand_query=query) == [A, B]


def test_a_query_of_bookings_is_taken_as_it_is_written(tmp_path: Path, stock: dict[str, t.Any]) -> None:
    booked = "select 'completed:fr-11:11' as event_id; -- one"
    day = ShopDay(tmp_path, **stock, on_hand_query=SELECT, on_hand_as_of="booked", booked_query=booked)
    (cut,) = day.run(completed(11, "A"), completed(12, "A"))
    assert cut.quantities["DC01", "A"] == 4


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_querys_alias_has_no_as_which_oracle_does_not_know(dialect: t.Any) -> None:
    text = compiled(from_query("select 1 from dual where ':a' = ':a';", "on_hand_query"), dialect)
    assert text.endswith("FROM (\nselect 1 from dual where ':a' = ':a'\n) on_hand_query")


@pytest.mark.parametrize(
    ("name", "dialect", "said"),
    [
        ("stock", oracle.dialect, "FROM stock"),
        ("erp.stock", oracle.dialect, "FROM erp.stock"),
        ("STOCK", oracle.dialect, 'FROM "STOCK"'),
        ('erp."Stock.Now"', oracle.dialect, 'FROM erp."Stock.Now"'),
        ("wms.dbo.stock", mssql.dialect, "FROM wms.dbo.stock"),
        ("[my wms].dbo.[Stock]", mssql.dialect, "FROM [my wms].dbo.[Stock]"),
        ('"my wms".dbo."Stock"', mssql.dialect, "FROM [my wms].dbo.[Stock]"),
        ("`my erp`.stock", mysql.dialect, "FROM `my erp`.stock"),
        ("DB.PUBLIC.STOCK", postgresql.dialect, 'FROM "DB"."PUBLIC"."STOCK"'),
        ('"a""b"', postgresql.dialect, 'FROM "a""b"'),
        ("a:b", postgresql.dialect, 'FROM "a:b"'),
        ("order", postgresql.dialect, 'FROM "order"'),
    ],
)
def test_each_part_of_a_tables_name_is_quoted_as_the_database_quotes_it(name: str, dialect: t.Any, said: str) -> None:
    assert compiled(from_table(name, dialect().identifier_preparer), dialect).endswith(said)


@pytest.mark.parametrize(
    ("created", "columns", "table", "names"),
    [
        ("stock", "node, sku, qty", "stock", ("node", "sku", "qty")),
        ('"Stock"', '"Node", "Sku", "Qty"', "Stock", ("Node", "Sku", "Qty")),
        ('"Stock"', '"Node", "Sku", "Qty"', '"Stock"', ('"Node"', '"Sku"', '"Qty"')),
        ("Stock", "Node, SKU, Qty", "Stock", ("Node", "SKU", "Qty")),
        ("Stock", "Node, SKU, Qty", "STOCK", ("NODE", "sku", "qty")),
        ('"my stock.now"', '"the node", sku, qty', '"my stock.now"', ("the node", "sku", "qty")),
        ('erp."Stock"', "node, sku, qty", "erp.Stock", ("node", "sku", "qty")),
        ("erp.Stock", "node, sku, qty", "erp.Stock", ("node", "sku", "qty")),
        ('"Erp"."stock"', 'node, "Sku", qty', '"Erp".stock', ("node", "Sku", "qty")),
        ('"Erp"."stock"', 'node, "select", qty', "Erp.stock", ("node", "select", "qty")),
    ],
)
def test_names_of_postgresql_work_as_they_are_kept_and_as_they_are_written(
    server: tuple[str, psycopg.Connection], created: str, columns: str, table: str, names: tuple[str, ...]
) -> None:
    url, connection = server
    for schema in ("erp", '"Erp"'):
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    connection.execute(f"CREATE TABLE {created} AS SELECT * FROM (VALUES ('DC01', 'A', 5)) x ({columns})".encode())
    settings: dict[str, t.Any] = {"on_hand_url": url, "on_hand_as_of": "current"}
    own = dict(zip(("fulfillment_node_id", "product_id", "quantity"), names, strict=True))
    assert rows_of(**settings, on_hand_table=table, on_hand_columns=own) == [A]


def test_a_query_may_call_its_columns_in_any_case(server: tuple[str, psycopg.Connection]) -> None:
    query = "select 'DC01' as Node, 'A' as \"Sku\", 5 as QTY"
    own = {"fulfillment_node_id": "Node", "product_id": "Sku", "quantity": "QTY"}
    settings: dict[str, t.Any] = {"on_hand_url": server[0], "on_hand_as_of": "current", "on_hand_columns": own}
    assert rows_of(**settings, on_hand_query=query) == [A]


def test_names_of_sqlite_work_in_any_case_and_in_quotes(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "erp.db")
    with connection:
        connection.execute('CREATE TABLE "Stock" (Node TEXT, "the Sku" TEXT, QTY INT)')
        connection.execute("INSERT INTO Stock VALUES ('DC01', 'A', 5)")
    connection.close()
    own = {"fulfillment_node_id": "NODE", "product_id": '"the Sku"', "quantity": "qty"}
    settings: dict[str, t.Any] = {"on_hand_as_of": "current", "on_hand_columns": own}
    url = f"sqlite:///{tmp_path / 'erp.db'}"
    for table in ("Stock", "STOCK", '"stock"', 'main."Stock"'):
        assert rows_of(**settings, on_hand_url=url, on_hand_table=table) == [A]


@pytest.mark.parametrize("name", ["amount", "Amount", '"Quantity"', "on hand"])
def test_a_column_that_is_not_there_is_named(stock: dict[str, t.Any], name: str) -> None:
    said = refusal(**stock, on_hand_table="stock", on_hand_columns={"quantity": name})
    assert "on_hand_url: cannot read stock: " in said
    assert name.strip('"') in said


@pytest.mark.parametrize("where", ["on_hand_table", "on_hand_query"])
@pytest.mark.parametrize("name", ["quantity", "Quantity", '"quantity"'])
def test_a_column_that_sqlite_has_twice_is_refused(tmp_path: Path, where: str, name: str) -> None:
    twice = "SELECT *, quantity - reserved AS QUANTITY FROM stock"
    connection = sqlite3.connect(tmp_path / "erp.db")
    with connection:
        connection.execute("CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INT, reserved INT)")
        connection.execute("INSERT INTO stock VALUES ('DC01', 'A', 5, 3)")
        connection.execute(f"CREATE VIEW free AS {twice}")
    connection.close()
    settings: dict[str, t.Any] = {"on_hand_url": f"sqlite:///{tmp_path / 'erp.db'}", "on_hand_as_of": "current"}
    settings[where] = "free" if where == "on_hand_table" else twice
    said = refusal(**settings, on_hand_columns={"quantity": name})
    assert "it has the column quantity twice (fulfillment_node_id, product_id, quantity, reserved, QUANTITY)" in said
    left = settings | {where: "stock"} if where == "on_hand_table" else settings | {where: "SELECT * FROM stock"}
    assert rows_of(**left) == [A]


def test_a_column_that_postgresql_has_twice_is_refused(server: tuple[str, psycopg.Connection]) -> None:
    query = "select 'DC01' as fulfillment_node_id, 'A' as product_id, 5 as quantity, 2 as quantity"
    assert "ambiguous" in refusal(on_hand_url=server[0], on_hand_as_of="current", on_hand_query=query)
