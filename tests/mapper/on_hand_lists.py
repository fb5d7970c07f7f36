"""On-hand lists as an ERP writes them, read as the mapper reads them."""

from __future__ import annotations

import sqlite3
import typing as t

import pytest
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.run.erp_inputs import ErpInputs
from mapper_newstore_stock.run.erp_tables import ErpTables

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mapper_newstore_stock.run.on_hand import OnHandRow, UnusableRow

HEADER = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp"


def a_list(directory: Path, content: str | bytes, name: str = "erp.csv") -> str:
    """Write a file as it is given, and return its path."""
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def a_csv(directory: Path, *lines: str, header: str = HEADER) -> str:
    """Write a CSV of whole lines, and return its path."""
    return a_list(directory, "".join(f"{line}\n" for line in (header, *lines)))


def a_table(directory: Path, kinds: str, *rows: tuple[t.Any, ...]) -> dict[str, t.Any]:
    """Make a table `stock` on SQLite, and return the settings that lead there.

    Args:
        directory: For the database.
        kinds: The types of its four columns, between commas.
        rows: Its rows.
    """
    path = directory / "erp.db"
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(HEADER.split(","), kinds.split(","), strict=True))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE stock ({columns})")
        connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return {"on_hand_url": f"sqlite:///{path}", "on_hand_table": "stock"}


def rows_of(unusable: Callable[[UnusableRow], None] | None = None, **settings: t.Any) -> list[OnHandRow]:
    """Read the on-hand list the mapper's settings lead to."""
    config = MapperNewStoreStock(config={"ledger_url": "sqlite://", **settings}).config
    with ErpTables() as erp:
        return list(ErpInputs(config).on_hand.rows(erp, unusable=unusable))


def refusal(**settings: t.Any) -> str:
    """Return why a list is refused, which is one line."""
    with pytest.raises(OnHandError) as caught:
        rows_of(**settings)
    said = str(caught.value)
    assert "\n" not in said
    return said
