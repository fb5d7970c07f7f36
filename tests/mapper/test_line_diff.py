"""Lists compared by their bytes: what is gone and what has come makes one out of the other, whatever has happened."""

from __future__ import annotations

import collections
import random
import typing as t

import pytest
from mapper_newstore_stock.run import line_diff
from mapper_newstore_stock.run.line_diff import CannotCompareError, difference

if t.TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(400)
MOST = 10_000


def in_blocks(content: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        size = chance.choice([1, 3, 17, 400])
        yield content[at : at + size]
        at += size


def changed(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Return lines some of which were changed, added, taken away, moved or repeated."""
    lines = list(lines)
    for _ in range(chance.choice([0, 1, 2, 5, 40])):
        at = chance.randint(0, len(lines))
        many = chance.choice([1, 1, 1, 3, 30])
        match chance.choice(["change", "add", "remove", "move", "repeat"]):
            case "change" if at < len(lines):
                lines[at] = lines[at][:-1] + b"7\n"
            case "add":
                lines[at:at] = [b"new-%d\n" % chance.randrange(10**6) for _ in range(many)]
            case "remove":
                del lines[at : at + many]
            case "move":
                moved, lines[at : at + many] = lines[at : at + many], []
                to = chance.randint(0, len(lines))
                lines[to:to] = moved
            case "repeat" if at < len(lines):
                lines.insert(chance.randint(0, len(lines)), lines[at])
    return lines


@pytest.mark.parametrize("piece", [2, 64, line_diff.PIECE_BYTES])
def test_what_is_gone_and_what_has_come_makes_the_new_list_of_the_old(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_diff, "PIECE_BYTES", piece)
    monkeypatch.setattr(line_diff, "BLOCK_BYTES", 100)
    monkeypatch.setattr(line_diff, "WINDOWS", (2, 8, 64))
    monkeypatch.setattr(line_diff, "MOST_LOOKS", 10**6)
    for seed in SEEDS:
        chance = random.Random(seed)
        old = [b"%d,%d\n" % (number, chance.randrange(3)) for number in range(chance.choice([0, 1, 5, 200]))]
        new = changed(old, chance)
        found = difference(in_blocks(b"".join(old), chance), in_blocks(b"".join(new), chance), MOST)
        gone, come = collections.Counter(found.gone), collections.Counter(line for _, line in found.come)
        assert collections.Counter(old) - gone + come == collections.Counter(new), seed
        assert not gone & come, seed
        assert found.lines == len(new), seed
        assert all(new[number - 1] == line for number, line in found.come), seed
        assert found.come == sorted(found.come), seed


def test_few_changes_of_a_long_list_are_few_differences() -> None:
    old = [b"%d,5\n" % number for number in range(50_000)]
    new = list(old)
    new[20_000:20_000] = [b"new-%d\n" % number for number in range(5_000)]
    del new[100:130]
    new[40_000] = b"changed\n"
    found = difference(iter([b"".join(old)]), iter([b"".join(new)]), MOST)
    assert (len(found.gone), len(found.come)) == (31, 5_001)


def test_a_list_in_another_order_is_given_up_soon() -> None:
    old = [b"%d,5\n" % number for number in range(100_000)]
    new = list(old)
    random.Random(1).shuffle(new)
    with pytest.raises(CannotCompareError, match="another order"):
        difference(iter([b"".join(old)]), iter([b"".join(new)]), MOST)


@pytest.mark.parametrize(("old", "new"), [(b"a\nb\n", b"a\nb"), (b"", b"a"), (b"a\nb\nc\n", b"a\nx")])
def test_a_last_line_without_its_end_is_not_compared(old: bytes, new: bytes) -> None:
    with pytest.raises(CannotCompareError, match="no end"):
        difference(iter([old]), iter([new]), MOST)
