"""A list is read in blocks of rows only where that gives what reading it row by row gives."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import io
import itertools
import random
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.tables import on_hand
from mapper_newstore_stock.run import csv_rows, key_order
from mapper_newstore_stock.run.csv_rows import CsvRows
from mapper_newstore_stock.run.key_order import KeyOrder
from mapper_newstore_stock.run.on_hand import OnHandSource
from mapper_newstore_stock.run.places import Place
from mapper_newstore_stock.run.row_reading import RowReader

from tests.mapper.on_hand_lists import a_csv
from tests.mapper.shop_day import ShopDay

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mapper_newstore_stock.ledger.proof import Form
    from mapper_newstore_stock.run.on_hand import OnHandRow

TEXTS, LISTS, ORDERS = 3_000, 1_500, 300
ENDS, ODD = (
    ["\n"] * 20 + ["\r\n"] * 5 + ["\r", ""],
    ['"', '"a\nb"', '"x""y"', "", "a,b", " ", "\0", '1"', '"\r\n"', ";"],
)
DAY = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
#: What nearly all lists hold, and what few do.
NODES: list[t.Any] = ["DC01", "DC02"]
ODD_NODES: list[t.Any] = ["DC03", "X1", " DC01", "", None, 7, "DC\n1", "Total"]
PRODUCTS: list[t.Any] = [f"SKU-{number}" for number in range(60)]
ODD_PRODUCTS: list[t.Any] = ["TEST-1", " SKU-1", "a b", "", None, 7, "a=b", "5%", "é", "x" * 256, "a\tb", "a\0"]
QUANTITIES: list[t.Any] = [*map(str, range(40)), *range(40)]
ODD_QUANTITIES: list[t.Any] = [
    "",
    None,
    "1.5",
    "+3",
    "1e9",
    10**11,
    -(10**11),
    "-4",
    True,
    decimal.Decimal(3),
    2.0,
    "9" * 30,
]
SAID_PLAINLY: list[list[t.Any]] = [["1", "22"], [3, 2**62]]
#: One of these for each list, and now and then a value of another.
SAID: list[list[t.Any]] = [
    [None],
    [""],
    ["1", "17", "0", "9" * 18, "9" * 19, "0" * 70, "٣", " 4", "+5", "1_0", "x"],
    [1, 10**15, 2**63 - 1, 2**63, -(2**63)],
    [DAY, str(DAY), DAY + dt.timedelta(days=9)],
]


def a_text(chance: random.Random) -> str:
    """Return a CSV of three columns, nearly all of whose lines are plain."""
    lines, oddness = [], chance.choice([0, 0, 0.02, 0.2])
    for number in range(chance.randrange(12)):
        values = [f"{number}{place}" for place in range(3)]
        if chance.random() < oddness:
            values[chance.randrange(3)] = chance.choice(ODD)
        if chance.random() < oddness / 4:
            values = values[: chance.randrange(4)]
        lines.append(",".join(values) + (chance.choice(ENDS) if oddness else "\n"))
    return "".join(lines)


def one_by_one(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield what a reader of the whole text finds: rows with their last lines, and odd ones before they count."""
    reader, line = csv.reader(io.StringIO(text, newline=""), strict=True), 0
    for row in reader:
        begun, line = line + 1, reader.line_num
        if line != begun or len(row) != 3:
            yield -begun, row
        if len(row) == 3:
            yield line, row


def in_blocks(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    odd: list[tuple[int, Sequence[str]]] = []

    def is_row(row: Sequence[str], earlier: range) -> bool:
        odd.append((-earlier.start, row))
        return len(row) == 3

    rows = CsvRows(io.StringIO(text, newline=""), ",")
    for first, table in rows.blocks(3, is_row):
        yield from odd
        odd.clear()
        for number, row in enumerate(zip(*table, strict=True), first):
            yield number, list(row)
    yield from odd


def whole(found: Iterator[tuple[int, Sequence[str]]]) -> tuple[list[tuple[int, Sequence[str]]], str]:
    """Return what is found, but for what precedes an error by less than a block, and the error."""
    try:
        return list(found), ""
    except csv.Error as error:
        return [], str(error)


@pytest.mark.parametrize("lines", [1, 2, 5, 2_000])
def test_any_text_has_the_rows_that_one_reader_finds(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_LINES", lines)
    chance, refused = random.Random(lines), 0
    for _ in range(TEXTS):
        text = a_text(chance)
        expected = whole(one_by_one(text))
        assert whole(in_blocks(text)) == expected, text
        refused += expected[1] != ""
    assert 0 < refused < TEXTS / 2


def test_an_error_names_the_line_wherever_blocks_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    for lines in range(1, 9):
        monkeypatch.setattr(csv_rows, "BLOCK_LINES", lines)
        rows = CsvRows(["a,b\n", '"c\n', 'd",e\n', "f,g\n", '"h"i,j\n', "k,l\n"], ",")
        with pytest.raises(csv.Error):
            list(rows.blocks(2, lambda *_: True))
        assert rows.line == 5


def test_rows_of_other_widths_that_add_up_are_no_rows() -> None:
    odd: list[Sequence[str]] = []

    def is_row(row: Sequence[str], _earlier: range) -> bool:
        odd.append(row)
        return False

    assert list(CsvRows(["a,b,c\n", "d\n", "e,f\n"], ",").blocks(2, is_row)) == [(3, [["e"], ["f"]])]
    assert odd == [["a", "b", "c"], ["d"]]


def test_a_blank_line_is_no_row_of_one_value() -> None:
    found = CsvRows(["a\n", "\n", "b\n"], ",").blocks(1, lambda row, _: bool(row))
    assert list(found) == [(1, [["a"]]), (3, [["b"]])]


def test_a_value_that_no_reader_takes_is_an_error_with_its_line() -> None:
    rows = CsvRows(["a,b\n", f"c,{'x' * (csv.field_size_limit() + 1)}\n"], ",")
    with pytest.raises(csv.Error, match="field larger than field limit"):
        list(rows.blocks(2, lambda *_: True))
    assert rows.line == 2


def both_ways(
    source: OnHandSource, rows: Sequence[Sequence[t.Any]], sizes: Sequence[int], *, takes_unusable: bool
) -> list[tuple[list[OnHandRow], list[t.Any], list[int], str]]:
    """Return what rows say, those that cannot be used, those left out and the error: row by row, and in blocks."""
    said = []
    for blocks in (False, True):
        unusable: list[t.Any] = []
        left_out: list[int] = []
        take = unusable.append if takes_unusable else None
        read: list[OnHandRow] = []
        reader, error = RowReader(source, take, left_out=left_out.append), ""
        try:
            if blocks:
                read.extend(itertools.chain.from_iterable(reader.rows_of_blocks(blocks_of(rows, sizes))))
            else:
                read.extend(reader.rows(enumerate(rows, 1)))
        except OnHandError as refused:
            error = str(refused)
        said.append((read, unusable, left_out, error))
    return said


def blocks_of(rows: Sequence[Sequence[t.Any]], sizes: Sequence[int]) -> Iterator[tuple[int, list[tuple[t.Any, ...]]]]:
    first = 0
    for size in sizes:
        if some := rows[first : first + size]:
            yield first + 1, list(zip(*some, strict=True))
        first += size


def a_source(chance: random.Random) -> OnHandSource:
    form: Form = chance.choice(["column", "current", "taken_at"])
    return OnHandSource(
        Place("on_hand", "/erp.csv"),
        form=form,
        columns={"taken_at": "taken_at"} if form == "taken_at" else {},
        ignored_nodes=chance.choice([(), ("X*",)]),
        ignored_products=chance.choice([(), ("TEST-*",)]),
        latest=int(DAY.timestamp() * 1000) + 1,
    )


def test_any_list_says_the_same_in_blocks_as_row_by_row() -> None:
    chance, plain = random.Random(1), 0
    for _ in range(LISTS):
        source, numbers = a_source(chance), chance.choice([QUANTITIES[:40], QUANTITIES[40:]])
        said = SAID[-1][:2] if source.says_when else chance.choice([*SAID_PLAINLY, [None], [""]])
        pools = [NODES, PRODUCTS, numbers, said]
        odd = chance.sample(range(4), chance.choice([0, 1, 1, 1, 2, 4]))
        for place in odd:
            more = (ODD_NODES, ODD_PRODUCTS, ODD_QUANTITIES, chance.choice(SAID))[place]
            pools[place] = pools[place] * chance.choice([0, 1, 9]) + more
        rows = [tuple(chance.choice(pool) for pool in pools) for _ in range(chance.randrange(1, 30))]
        sizes = [chance.randint(1, 9) for _ in rows]
        one, blocks = both_ways(source, rows, sizes, takes_unusable=chance.random() < 0.7)
        assert blocks == one, (source, rows)
        assert list(map(type, [value for row in blocks[0] for value in row])) == list(
            map(type, [value for row in one[0] for value in row])
        )
        plain += not odd and len(one[0]) == len(rows)
    assert plain > LISTS / 10


@pytest.mark.parametrize("size", [1, 2, 9])
def test_a_line_that_looks_like_a_total_is_one_at_the_end_alone(size: int) -> None:
    rows = [("DC01", "A", "1", ""), ("DC01", "B", "2", ""), ("Sum", "", "3", "")]
    for is_last in (True, False):
        found = rows if is_last else [*rows, *rows[:2]]
        for read, _, _, error in both_ways(
            OnHandSource(Place("on_hand", "/erp.csv")), found, [size] * 5, takes_unusable=True
        ):
            assert ("line 3" in error) is not is_last
            assert len(read) == len(found) - 1


def test_nothing_of_a_plain_block_is_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RowReader(OnHandSource(Place("on_hand", "/erp.csv")), None)
    (first,) = reader.rows_of_blocks([(1, [["DC01"], ["A"], ["1"], [""]])])
    monkeypatch.setattr(reader, "_one_by_one", None)
    says: list[tuple[t.Any, t.Any, int | None]] = [("1", "", None), (2, None, None), ("3", "17", 17), (4, 5, 5)]
    for quantity, said, meant in says:
        block = [["DC01", "DC01"], ["a b", "é"], [quantity] * 2, [said] * 2]
        expected = [("DC01", "a b", int(quantity), meant), ("DC01", "é", int(quantity), meant)]
        assert list(reader.rows_of_blocks([(2, block)])) == [expected]
    assert first == [("DC01", "A", 1, None)]


@pytest.mark.parametrize("order", ["kept", "halves", "none"])
def test_rows_are_put_together_by_node_and_none_is_lost(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(key_order, "RUN_ROWS", 4)
    monkeypatch.setattr(key_order, "MOST_NODES", 6)
    chance, known = random.Random(2), 0
    for _ in range(ORDERS):
        nodes = chance.randint(1, 8)
        keys = [(f"DC{n}", f"SKU-{p:02}") for p in range(chance.randint(1, 12)) for n in range(nodes)]
        keys = [key for key in keys if chance.random() < 0.8]
        if order == "none":
            chance.shuffle(keys)
        if order == "halves":
            keys = [*keys[len(keys) // 2 :], *keys[: len(keys) // 2]]
        rows = [(*key, number, None) for number, key in enumerate(keys)]
        found = KeyOrder()
        length = chance.randint(1, 9)
        lists = [rows[begin : begin + length] for begin in range(0, len(rows), length)]
        written = list(itertools.chain.from_iterable(found.together(lists)))
        assert sorted(written) == sorted(rows)
        spans = list(found.spans())
        if not spans:
            continue
        known += 1
        by_span = [row for first, last in spans for row in written[first - 1 : last]]
        assert by_span == sorted(rows)
        assert len({node for node, _ in keys}) <= 6
    assert known > ORDERS / 2 if order == "kept" else known < ORDERS / 2


@pytest.mark.parametrize("order", ["by product", "by node", "none"])
def test_a_first_list_is_taken_in_whatever_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(key_order, "RUN_ROWS", 3)
    keys = [(f"DC{node}", f"SKU-{product}") for product in range(10, 40) for node in range(4)]
    if order == "by node":
        keys.sort()
    if order == "none":
        random.Random(3).shuffle(keys)
    path = tmp_path / "erp.csv"
    lines = [f"{node},{product},{number}," for number, (node, product) in enumerate(keys)]
    a_csv(tmp_path, *lines)
    (cut,) = ShopDay(tmp_path, on_hand_url=str(path)).run()
    assert cut.quantities == {key: number for number, key in enumerate(keys)}
    row = on_hand.c
    with sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}").connect() as connection:
        found = connection.execute(sa.select(row.fulfillment_node_id, row.product_id, row.quantity)).all()
    assert {(node, product): quantity for node, product, quantity in found} == cut.quantities


@pytest.mark.parametrize("wrong", [[(1, 50)], [(2, 120)], [(5000, 6000)], [(1, 120), (121, 130)]])
def test_wherever_spans_are_said_to_be_all_rows_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(KeyOrder, "spans", lambda _: iter(wrong))
    lines = [f"DC{node},SKU-{product},{product}," for product in range(10, 40) for node in range(4)]
    path = tmp_path / "erp.csv"
    a_csv(tmp_path, *lines)
    (cut,) = ShopDay(tmp_path, on_hand_url=str(path)).run()
    assert cut.quantities == {
        (f"DC{node}", f"SKU-{product}"): product for product in range(10, 40) for node in range(4)
    }
