"""A run with nothing to do asks the ledger little: to compile a statement takes longer than most take to carry out."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
import sqlalchemy as sa

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A run makes its temporary tables whatever it finds.
TEMPORARY = "CREATE TEMPORARY TABLE"
MOST_COMPILED = 40


@contextlib.contextmanager
def compiled_statements() -> Iterator[list[str]]:
    """Collect the statements that SQLAlchemy compiles, but for those that make temporary tables."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *rest: t.Any) -> None:
        if rest[1].compiled is not None and TEMPORARY not in statement:
            found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
def day(tmp_path: Path) -> ShopDay:
    day = ShopDay(tmp_path)
    for number in range(20):
        day.erp.count("DC01", f"SKU-{number}", 10)
    day.run(completed(10, "SKU-1"))
    return day


def test_a_run_with_nothing_to_do_compiles_few_statements(day: ShopDay) -> None:
    with compiled_statements() as compiled:
        assert day.run() == []
    assert len(compiled) <= MOST_COMPILED, "\n".join(compiled)
    with compiled_statements() as of_a_busy_run:
        (cut,) = day.run(completed(11, "SKU-1"))
    assert cut.quantities == {("DC01", "SKU-1"): 8}
    assert len(of_a_busy_run) > len(compiled)


def test_what_waits_is_found_by_a_run_to_which_nothing_has_come(day: ShopDay) -> None:
    # SKU-X has no row: its completion waits, whatever else happens.
    assert day.run(completed(11, "SKU-X")) == []
    assert day.run() == []
    day.erp.count("DC01", "SKU-X", 5)
    (cut,) = day.run()
    assert cut.quantities == {("DC01", "SKU-X"): 4}
    assert cut.range == (11, 11)


def test_a_cut_that_was_not_acknowledged_goes_out_again_though_nothing_has_come(day: ShopDay) -> None:
    (sent,) = day.run(completed(11, "SKU-2"), acknowledge=0)
    (again,) = day.run()
    assert (again.quantities, again.range) == (sent.quantities, sent.range) == ({("DC01", "SKU-2"): 9}, (11, 11))
    assert day.run() == []
