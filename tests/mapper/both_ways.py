"""Two mappers that read the same list: one compares it with the last one, the other reads all of it."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import sqlalchemy as sa
from mapper_newstore_stock.errors import OnHandError, QuantityError
from mapper_newstore_stock.ledger.past_tables import folded_booking
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, held_key, on_hand

from tests.mapper.shop_day import ShopDay

if t.TYPE_CHECKING:
    import random
    from pathlib import Path

    import pytest

    from tests.mapper.shop_day import Ledgers

#: What only one of the two ways says.
COMPARED = "lines have come since the last list"
ALL_READ = "All of the on-hand list is read"
BOOKINGS_COMPARED = "references are looked at again"
ABOUT_THE_WAY = (
    ALL_READ,
    "The on-hand list is not kept",
    COMPARED,
    BOOKINGS_COMPARED,
    "All bookings are read",
)

#: What of its units each ledger knows to be booked.
BOOKED = [
    sa.select(*units.primary_key, units.c.booked, units.c.run).order_by(*units.primary_key)
    for units in (completed_unit, ahead_unit)
]
BOOKED.append(sa.select(folded_booking).order_by(*folded_booking.primary_key))


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


class BothWays:
    """Two mappers that read the same list, each with a ledger of its own; one keeps it.

    Args:
        directory: For ledgers and lists.
        caplog: What they say.
        ledgers: Where their ledgers are.
        instead: Settings of the one that reads all, in place of those of both.
        called: What each of them may call the list, if not alike.
        settings: Of both.
    """

    def __init__(
        self,
        directory: Path,
        caplog: pytest.LogCaptureFixture,
        ledgers: tuple[Ledgers, Ledgers],
        *,
        instead: dict[str, t.Any] | None = None,
        called: str = "",
        **settings: t.Any,
    ) -> None:
        self._caplog = caplog
        self._directory = directory / "lists"
        self._days = []
        self._called = re.compile(called or r"(?!)")
        own = ({"cache_dir": str(self._directory)}, instead or {})
        for name, of, place in zip(("kept", "whole"), ledgers, own, strict=True):
            (directory / name).mkdir(parents=True)
            engine = of.new(directory / name)
            self._days.append((ShopDay(directory / name, engine, **{**settings, **place}), engine))
        #: How often only what differed was read, and how often only bookings that could prove something new.
        self.compared = self.bookings_compared = 0

    @property
    def file(self) -> Path | None:
        """The kept list."""
        return next(self._directory.glob("newstore-stock-*"), None)

    @property
    def days(self) -> list[tuple[ShopDay, sa.Engine]]:
        """Both, each with the engine of its ledger."""
        return self._days

    def run(self, *events: dict[str, t.Any]) -> list[t.Any]:
        """Run both; return what they sent or why not, what they said, and what their ledgers know."""
        now = dt.datetime.now(tz=dt.UTC)
        for day, _ in self._days:
            # On a busy machine one of them would begin a minute later.
            day.begun_at = now
        kept, whole = (self._outcome(day, engine, *events) for day, engine in self._days)
        assert kept == whole
        return kept

    def _outcome(self, day: ShopDay, engine: sa.Engine, *events: dict[str, t.Any]) -> list[t.Any]:
        self._caplog.clear()
        try:
            sent: t.Any = [(cut.range, cut.quantities) for cut in day.run(*events)]
        except (OnHandError, QuantityError) as error:
            sent = self._alike(str(error))
        said = messages(self._caplog)
        self.compared += any(COMPARED in text for text in said) and not any(ALL_READ in text for text in said)
        self.bookings_compared += any(BOOKINGS_COMPARED in text for text in said)
        with engine.connect() as connection:
            booked = [connection.execute(units).all() for units in BOOKED]
            rows = connection.execute(sa.select(on_hand).order_by(*on_hand.primary_key)).all()
            held = connection.execute(sa.select(*held_key.primary_key, held_key.c.kind, held_key.c.reason)).all()
        said = [self._alike(text) for text in said if not any(words in text for words in ABOUT_THE_WAY)]
        why = sorted((*row[:-1], self._alike(row[-1])) for row in map(tuple, held))
        return [sent, said, [tuple(row) for row in rows], why, booked]

    def _alike(self, text: str) -> str:
        return self._called.sub("THE LIST", text)


def meddle(kept: Path, others: list[bytes], chance: random.Random) -> None:
    """Do something to the file a list is kept in, or nothing.

    Args:
        kept: The file.
        others: What was in it before; its content is added.
        chance: Says what.
    """
    if not kept.exists():
        return
    content = kept.read_bytes()
    others.append(content)
    match chance.choice(["nothing"] * 20 + ["deleted", "cut", "flipped", "older", "longer"]):
        case "deleted":
            kept.unlink()
        case "cut" if content:
            kept.write_bytes(content[: chance.randrange(len(content))])
        case "flipped" if content:
            at = chance.randrange(len(content))
            kept.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        case "older":
            kept.write_bytes(chance.choice(others))
        case "longer":
            kept.write_bytes(content + b"DC01,SKU-1,4,\n")
