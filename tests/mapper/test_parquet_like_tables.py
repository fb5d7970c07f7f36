"""The same rows as Parquet and as a table of SQLite: the same cut, the same words, the same ledger.

Of the Parquet list the mapper keeps what it was last time, and something happens to what it kept. PARQUETS says how
many random lists are read both ways (`make fuzz`: ten thousand).
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import sqlite3
import typing as t

import pyarrow as pa
import pytest
from mapper_newstore_stock.run import list_writer, parquet_lists

from tests.mapper.both_ways import BothWays, meddle
from tests.mapper.parquet_files import NAMES, TEXT, a_parquet
from tests.mapper.shop_day import Ledgers, completed

if t.TYPE_CHECKING:
    from pathlib import Path

PARQUETS = int(os.environ.get("PARQUETS", "64"))
LISTS_OF_A_STORY = 8
FEW = pa.dictionary(pa.int8(), TEXT)
#: What the columns are: node, product, quantity, and what rows say of the completions they contain.
NODE_KINDS, PRODUCT_KINDS = (TEXT, FEW, pa.large_string()), (TEXT, TEXT, FEW, pa.string_view(), pa.int64())
QUANTITY_KINDS = (pa.int8(), pa.int32(), pa.int64(), pa.float64(), pa.float32(), TEXT)
SAYS_KINDS = (pa.int64(), pa.int64(), TEXT, pa.float64())
NODES = ("DC01", "NYC1", "IGNORED", "Köln", " DC01", "", None)
PRODUCTS = (
    *("A", "B", "Ä", "名", '"q"', "a, b", "a=b", "50%", " A", "x" * 255, "x" * 256, "", None, "tester", "NULL", "null"),
    *(
        "a\nb",
        "a\r\nb",
        "a\tb",
        "a\\b",
        "a\\",
        "\x00",
        "a\x1fb",
        "a\x7fb",
        "a\u2028b",
        "a\x85b",
        "😀",
        "\ufeffA",
        "[1]",
    ),
)
QUANTITIES: dict[t.Any, tuple[t.Any, ...]] = {
    pa.int8(): (127, -128, None),
    pa.int32(): (2**31 - 1, -2, None),
    pa.int64(): (2**63 - 1, -(2**63), 2**53, 10**11, 10**11 - 1, 1 - 10**11, None),
    pa.float64(): (0.5, -0.0, 2.0**53 - 1, 2.0**53, 1e300, float("inf"), None),
    pa.float32(): (0.5, 16777216.0, None),
    TEXT: ("7 ", "-2", "12.0", "1.000", "+4", "", "x", "9" * 19, "9" * 12, "9" * 11, "²", '"8"', "1e3", "NULL", None),
}
HAPPENS = ("quantity", "quantity", "quantity", "says", "new", "new", "gone", "moved", "twice", "order", "kind")


class Story:
    """A list that the ERP exports again and again.

    Args:
        seed: Gives all of it.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        choose = self.chance.choice
        self.kinds = [choose(of) for of in (NODE_KINDS, PRODUCT_KINDS, QUANTITY_KINDS, SAYS_KINDS)]
        self.is_odd = self.chance.random() < 0.5
        self.is_directory = self.chance.random() < 0.4
        self.rows = [self._row() for _ in range(self.chance.randint(3, 14))]

    def _row(self) -> list[t.Any]:
        chance, odd = self.chance, self.is_odd and self.chance.random() < 0.2
        product: t.Any = f"SKU-{chance.randrange(10**6)}"
        if self.kinds[1] == pa.int64():
            product = chance.choice([*range(10**6, 10**6 + 50), -1, None] if odd else range(100))
        elif odd:
            product = chance.choice(PRODUCTS)
        return [chance.choice(NODES if odd else NODES[:2]), product, self._quantity(), self._says()]

    def _quantity(self) -> t.Any:
        kind, odd = self.kinds[2], self.is_odd and self.chance.random() < 0.2
        quantity = self.chance.choice(QUANTITIES[kind]) if odd else self.chance.randrange(20)
        return str(quantity) if kind == TEXT and quantity is not None else quantity

    def _says(self) -> t.Any:
        says = self.chance.choice([None, None, 5, 99])
        return str(says) if self.kinds[3] == TEXT and says is not None else says

    def go_on(self) -> None:
        """Let the ERP change some rows."""
        chance, rows = self.chance, self.rows
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            at = chance.randrange(len(rows)) if rows else 0
            match chance.choice(HAPPENS):
                case "quantity" if rows:
                    rows[at][2] = self._quantity()
                case "says" if rows:
                    rows[at][3] = self._says()
                case "new":
                    rows.insert(at, self._row())
                case "gone" if rows:
                    del rows[at]
                case "moved" if rows:
                    rows.append(rows.pop(at))
                case "twice" if rows and chance.random() < 0.3:
                    rows.append(list(rows[at]))
                case "order":
                    chance.shuffle(rows)
                case "kind" if self.kinds[2] == pa.int8():
                    self.kinds[2] = pa.int32()

    def export(self, place: Path) -> None:
        """Write the list as Parquet: a file, or a directory of parts, some of them empty."""
        if not self.is_directory:
            self._write(place, self.rows)
            return
        shutil.rmtree(place, ignore_errors=True)
        borders = sorted(self.chance.randint(0, len(self.rows)) for _ in range(self.chance.randint(0, 3)))
        for number, (begin, end) in enumerate(zip([0, *borders], [*borders, len(self.rows)], strict=True)):
            self._write(place / f"part-{number:05d}.parquet", self.rows[begin:end])

    def _write(self, path: Path, rows: list[list[t.Any]]) -> None:
        a_parquet(path, *rows, kinds=self.kinds, row_group_size=self.chance.choice([2, 5, 1000]))

    def load(self, erp: sqlite3.Connection) -> None:
        """Write the same rows as a table, whose columns keep what they are given."""
        erp.execute("DROP TABLE IF EXISTS stock")
        erp.execute(f"CREATE TABLE stock ({', '.join(NAMES)})")
        floats = [pa.types.is_floating(kind) for kind in self.kinds]
        for row in self.rows:
            values = [
                float(value) if is_float and value is not None else value
                for value, is_float in zip(row, floats, strict=True)
            ]
            erp.execute("INSERT INTO stock VALUES (?, ?, ?, ?)", values)

    def settings(self) -> dict[str, t.Any]:
        """Return what both mappers are told."""
        return {
            "ignored_nodes": ["IGN*"],
            "ignored_products": ["test*"],
            "vanished_rows": self.chance.choice(["zero", "keep", "fail"]),
            "max_vanished_percent": 60,
            "max_held_percent": 70,
            "negative_on_hand": "zero",
        }


@pytest.mark.fault("F35")
@pytest.mark.parametrize("part", range(4))
def test_the_same_rows_give_the_same_cut_and_the_same_words(
    part: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    ledgers: tuple[Ledgers, Ledgers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_writer, "LEAST_BYTES", 0)
    monkeypatch.setattr(parquet_lists, "BATCH_ROWS", 3)
    caplog.set_level(logging.DEBUG, "mapper-newstore-stock")
    lists = compared = 0
    for seed in range(part, PARQUETS // LISTS_OF_A_STORY, 4):
        story, others = Story(seed), list[bytes]()
        place, table = tmp_path / f"{seed}.parquet", tmp_path / f"{seed}.db"
        url = f"{place}/" if story.is_directory else str(place)
        ways = BothWays(
            tmp_path / str(seed),
            caplog,
            ledgers,
            instead={"on_hand_url": f"sqlite:///{table}", "on_hand_table": "stock"},
            called=rf"{place}/?|\bstock(?=[,:)])|on_hand_(?:url|query|table)",
            on_hand_url=url,
            **story.settings(),
        )
        with contextlib.closing(sqlite3.connect(table, isolation_level=None)) as erp:
            for step in range(LISTS_OF_A_STORY):
                story.export(place)
                story.load(erp)
                products = [str(row[1]) for row in story.rows if row[1]] or ["SKU-9"]
                try:
                    ways.run(completed(step + 1, story.chance.choice(products).strip() or "A"))
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, list {step}, {story.kinds}: {story.rows}") from error
                if ways.file:
                    meddle(ways.file, others, story.chance)
                story.go_on()
        lists, compared = lists + LISTS_OF_A_STORY, compared + ways.compared
    # Of the others the first of each story is one, and many are refused.
    assert compared > lists / 8
