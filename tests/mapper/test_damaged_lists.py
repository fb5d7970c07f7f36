"""Lists damaged at random: each is refused, or nothing in it is wrong and no line is missing.

Cut right after a line, a file looks whole and is shorter: whoever compares lists must see that. DAMAGED_ROWS and
DAMAGES say how large a list is and how often it is damaged (`make fuzz`: a million rows, a thousand times).
"""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import typing as t

import pytest
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.on_hand import OnHandSource
from mapper_newstore_stock.run.places import Place

if t.TYPE_CHECKING:
    from pathlib import Path

    from mapper_newstore_stock.run.on_hand import OnHandRow

ROWS = int(os.environ.get("DAMAGED_ROWS", "2000"))
DAMAGES = int(os.environ.get("DAMAGES", "200"))
#: A list whose every line is looked at one by one.
FEW_ROWS = 12
COLUMNS = {
    "quantity last": ("fulfillment_node_id", "product_id", "as_of_logical_timestamp", "quantity"),
    "as of last": ("fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp"),
    "key last": ("quantity", "as_of_logical_timestamp", "fulfillment_node_id", "product_id"),
    "text last": ("fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp", "text"),
    "text first": ("text", "fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp"),
}
TEXTS = ("Cable", "", "24 inches", '"blue, large"', '"one\ntwo"', '"24"" screen"', '"a\r\n\r\nb, c"')


class Lists:
    """A list of random rows, written with some columns in some order.

    Args:
        seed: Gives the rows.
        columns: Their order.
        count: How many rows.
        texts: What the column `text` holds.
    """

    def __init__(self, seed: int, columns: t.Sequence[str], count: int, texts: t.Sequence[str] = TEXTS) -> None:
        chance = random.Random(seed)
        self.columns = columns
        self.rows: list[OnHandRow] = []
        self.lines = [",".join(columns)]
        end = chance.choice(["\n", "\r\n"])
        for number in range(count):
            row = (
                f"DC{number % 7:02d}",
                f"SKU-{number}",
                chance.randrange(20_000),
                chance.choice([None, number * 1000]),
            )
            self.rows.append(row)
            node, product, quantity, as_of = row
            values = {
                "fulfillment_node_id": node,
                "product_id": product,
                "quantity": str(quantity),
                "as_of_logical_timestamp": "" if as_of is None else str(as_of),
                "text": chance.choice(texts),
            }
            self.lines.append(",".join(values[column] for column in columns))
        self.content = "".join(line + end for line in self.lines).encode()


def read(path: Path) -> list[OnHandRow] | None:
    """Return the rows of a list; None when it is refused."""
    with ErpTables() as erp, contextlib.suppress(OnHandError):
        return list(OnHandSource(Place("on_hand", str(path))).rows(erp))
    return None


@pytest.mark.parametrize("name", COLUMNS)
def test_a_list_cut_at_any_byte_is_refused_or_only_shorter(tmp_path: Path, name: str) -> None:
    lists = Lists(1, COLUMNS[name], ROWS)
    path = tmp_path / "erp.csv"
    path.write_bytes(lists.content)
    assert read(path) == lists.rows
    chance, silent = random.Random(2), 0
    for size in sorted(chance.sample(range(len(lists.content)), DAMAGES), reverse=True):
        os.truncate(path, size)
        rows = read(path)
        if rows is not None:
            silent += 1
            ends = lists.content[:size].endswith((b"\n", b"\r"))
            assert ends, size
            assert len(rows) < ROWS
            assert rows == lists.rows[: len(rows)], size
    # One byte or two of a line's thirty look like an end.
    assert silent < DAMAGES / 5


@pytest.mark.parametrize("name", COLUMNS)
def test_a_short_list_cut_at_each_byte_is_refused_or_only_shorter(tmp_path: Path, name: str) -> None:
    lists = Lists(3, COLUMNS[name], FEW_ROWS)
    path = tmp_path / "erp.csv"
    for size in range(len(lists.content)):
        path.write_bytes(lists.content[:size])
        rows = read(path)
        assert rows is None or (lists.content[:size].endswith((b"\n", b"\r")) and rows == lists.rows[: len(rows)])


def test_a_compressed_list_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "erp.csv.gz"
    content = gzip.compress(Lists(4, COLUMNS["quantity last"], ROWS // 10).content)
    for size in random.Random(5).sample(range(len(content)), min(DAMAGES, len(content))):
        path.write_bytes(content[:size])
        assert read(path) is None


def swallow(lines: list[str], place: int, first: int, last: int) -> None:
    """Open a quote in one line, and close it in the same column of a later one."""
    for line, quoted in ((first, '"{}'), (last, '{}"')):
        values = lines[line].split(",")
        values[place] = quoted.format(values[place])
        lines[line] = ",".join(values)


@pytest.mark.parametrize("name", ["text last", "text first"])
@pytest.mark.parametrize("count", [FEW_ROWS, ROWS])
def test_lines_swallowed_by_quotes_are_refused(tmp_path: Path, name: str, count: int) -> None:
    lists = Lists(6, COLUMNS[name], count, ["Cable", "", "24 inches"])
    path, place, chance = tmp_path / "erp.csv", COLUMNS[name].index("text"), random.Random(7)
    # A short list with one place each time; a long one with all places at once.
    for spots in [[1]] * DAMAGES if count == FEW_ROWS else [range(1, ROWS - FEW_ROWS, ROWS // DAMAGES)]:
        lines = list(lists.lines)
        for spot in spots:
            first = chance.randrange(spot, spot + FEW_ROWS // 2)
            swallow(lines, place, first, chance.randrange(first + 1, spot + FEW_ROWS))
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        assert read(path) is None


@pytest.mark.parametrize("name", COLUMNS)
def test_stray_quotes_anywhere_swallow_no_line_silently(tmp_path: Path, name: str) -> None:
    path, chance, taken = tmp_path / "erp.csv", random.Random(8), 0
    for seed in range(DAMAGES):
        lists = Lists(seed, COLUMNS[name], FEW_ROWS, ["Cable", "", "24 inches"])
        content, quotes = bytearray(lists.content), chance.choice([1, 2, 2, 2, 3, 4])
        for _ in range(quotes):
            content.insert(chance.randrange(len(lists.lines[0]) + 2, len(content)), ord('"'))
        path.write_bytes(content)
        rows = read(path)
        if rows is not None:
            taken += 1
            assert len(rows) == FEW_ROWS, content
            assert len(set(lists.rows) - set(rows)) <= quotes, content
    assert 0 < taken < DAMAGES
