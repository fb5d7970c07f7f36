"""A list is compared with the one of the last run: what comes of it is what comes of reading all of it.

LISTS says how many random lists are read both ways (`make fuzz`: ten thousand).
"""

from __future__ import annotations

import gzip
import os
import random
import typing as t

import pytest

from tests.mapper.both_ways import BothWays, meddle
from tests.mapper.on_hand_lists import HEADER
from tests.mapper.shop_day import Ledgers, completed

if t.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("short_lists_are_kept")
LISTS = int(os.environ.get("LISTS", "150"))
LISTS_OF_A_STORY = 8
NODES = ("DC01", "NYC1", "IGNORED", "Köln", " DC01", "")
PRODUCTS = ("A", "B", "C", "D", "E", "F", "G", "Ä", "名", '"q"', '"a, b"', "a=b", "50%", " A", "x" * 256, "", "tester")
ALMOST = ('"8"', "9" * 12, "9" * 11)
QUANTITIES = ("0", "3", "5", "12", "12", "7 ", "-2", "12.0", "1.000", "+4", "", "x", "9" * 19, "²", *ALMOST)


ODD_LINES = ("", ",,,", "Total,,55,", 'DC01,"Z\nZ",4,', "DC01,Q", '"', "DC01,R,\r4,", "DC01,R1,3,\rDC01,S1,4,")
HAPPENS = ("quantity", "quantity", "quantity", "says", "says", "new", "gone", "moved", "twice", "odd", "order")


class Story:
    """A list that the ERP writes again and again, and what happens to the file it is kept in.

    Args:
        seed: Gives all of it.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.header = HEADER
        self.lines = [self.line() for _ in range(self.chance.randint(3, 14))]
        self.odd = self.chance.random() < 0.3
        self.end = self.chance.choice(["\n", "\n", "\r\n"])
        # Lists are the same whether they have a trailer or not.
        self.ending = random.Random(f"how {seed} ends")
        self.trailer = r"TRAILER,(\d+)" if self.ending.random() < 0.4 else None

    def line(self) -> str:
        """Return a line: mostly a new key at a good quantity."""
        chance = self.chance
        node = chance.choice(NODES[:2]) if chance.random() < 0.95 else chance.choice(NODES)
        product = f"SKU-{chance.randrange(10**6)}" if chance.random() < 0.9 else chance.choice(PRODUCTS)
        quantity = str(chance.randrange(20)) if chance.random() < 0.9 else chance.choice(QUANTITIES)
        return f"{node},{product},{quantity},{chance.choice(['', '', '5'])}"

    def go_on(self) -> None:
        """Let the ERP change some lines."""
        chance, lines = self.chance, self.lines
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            at = chance.randrange(len(lines)) if lines else 0
            match chance.choice(HAPPENS):
                case "quantity" if lines:
                    node, product, _, rest = [*lines[at].split(","), "", "", ""][:4]
                    lines[at] = f"{node},{product},{chance.randrange(20)},{rest}"
                case "new":
                    lines.insert(at, self.line())
                case "gone" if lines:
                    del lines[at]
                case "moved" if lines:
                    lines.append(lines.pop(at))
                case "twice" if lines and chance.random() < 0.3:
                    node, product, *_ = lines[at].split(",")
                    lines.append(f"{node},{product},1,")
                case "says" if lines:
                    lines[at] = lines[at].rpartition(",")[0] + "," + chance.choice(["", "5", "99"])
                case "odd" if self.odd:
                    lines.insert(at, chance.choice(ODD_LINES))
                case "order":
                    chance.shuffle(lines)

    def content(self) -> bytes:
        """Return the list as it is written this time."""
        if self.odd and self.chance.random() < 0.1:
            self.end = "\r\n" if self.end == "\n" else "\n"
        is_cut = self.odd and self.chance.random() < 0.1
        lines = [self.header, *self.lines, *(self.ends() if self.trailer else ())]
        return (self.end.join(lines) + ("" if is_cut else self.end)).encode()

    def ends(self) -> list[str]:
        """Return the trailer: mostly there and right, now and then with blank lines behind it."""
        rows = sum(bool(line.strip(",")) for line in self.lines)
        wrong = [[f"TRAILER,{rows + 1}"], [], ["TRAILER"]]
        right = [f"TRAILER,{rows}"]
        return self.ending.choice([right] * 20 + [[*right, ",,,", "\x1a"]] * 2 + wrong)


@pytest.mark.fault("F35")
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("kind", ["", ".gz"])
def test_both_ways_send_and_say_the_same(
    kind: str, part: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    lists = compared = 0
    for seed in range(part, LISTS // LISTS_OF_A_STORY // 2, 4):
        story = Story(seed)
        file = tmp_path / f"{seed}.csv{kind}"
        ways = BothWays(
            tmp_path / str(seed),
            caplog,
            ledgers,
            on_hand_url=str(file),
            ignored_nodes=["IGN*"],
            ignored_products=["test*"],
            vanished_rows=story.chance.choice(["zero", "keep", "fail"]),
            max_vanished_percent=50,
            max_held_percent=60,
            negative_on_hand="zero",
            on_hand_trailer=story.trailer,
            ledger_keep_days=story.chance.choice([0, 90]),
        )
        others: list[bytes] = []
        for step in range(LISTS_OF_A_STORY):
            content = story.content()
            file.write_bytes(gzip.compress(content) if kind else content)
            products = [line.split(",")[1] for line in story.lines if line.startswith("DC01,SKU-")] or ["SKU-9"]
            try:
                ways.run(completed(step + 1, story.chance.choice(products)))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, list {step}: {content!r}") from error
            if ways.file:
                meddle(ways.file, others, story.chance)
            story.go_on()
        lists, compared = lists + LISTS_OF_A_STORY, compared + ways.compared
    # Of the others the first of each story is one, and many are refused.
    assert compared > lists / 8


def test_a_text_over_two_lines_is_no_row_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    file = tmp_path / "erp.csv"
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(file))
    for quantity in (7, 8):
        lines = [HEADER.replace("quantity", "text,quantity"), 'DC01,A,"two', f'DC01,B,lines",{quantity},', "DC01,C,,1,"]
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        sent = ways.run()[0]
        assert sent[0][1]["DC01", "A"] == quantity
    assert ways.compared == 0


def test_a_list_that_cannot_be_kept_is_read_whole_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    file = tmp_path / "erp.csv"
    (tmp_path / "lists").write_text("a file where a directory should be", encoding="utf-8")
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(file))
    for quantity in (7, 8):
        file.write_text(f"{HEADER}\nDC01,A,{quantity},\n", encoding="utf-8")
        ways.run()
    assert ways.compared == 0


def test_a_line_of_csv_may_be_no_line_of_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    file = tmp_path / "erp.csv"
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(file))
    for wrong in ("1.000", "2.000"):
        lines = ("DC01,A,5,\rDC01,B,5,", "DC01,C,5,", f"DC01,D,{wrong},")
        file.write_bytes("".join(f"{line}\n" for line in (HEADER, *lines)).encode())
        assert "DC01/D in line 5" in ways.run()[1][-1]


def test_a_list_that_lost_all_its_rows_is_refused_in_the_same_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    file = tmp_path / "erp.csv"
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(file), max_vanished_percent=100)
    for lines in ("DC01,A,5,\n", ""):
        file.write_text(f"{HEADER}\n{lines}", encoding="utf-8")
        sent = ways.run()[0]
    assert "there is no row in it" in sent
