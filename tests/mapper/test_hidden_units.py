"""Units hidden from sale, times the minutes they were: each cause alone, computed by hand."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger.database import open_engine, open_ledger_engine
from mapper_newstore_stock.ledger.figures import figures
from mapper_newstore_stock.ledger.hidden import CAUSES

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.sql_erp import NOON, SKU, SqlErp, a_completion, a_day, at


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    """A shop with 10 units, imported at noon."""
    day = ShopDay(tmp_path, ledger_url=database_url, max_vanished_percent=100)
    day.erp.count(*SKU, 10)
    run(day, 0)
    return day


def run(day: ShopDay, minutes: float, *events: dict[str, t.Any], **options: t.Any) -> None:
    """Run so many minutes from noon."""
    day.begun_at = NOON + dt.timedelta(minutes=minutes)
    day.run(*events, **options)


def hidden(day: ShopDay) -> dict[str, float]:
    """Return unit-minutes by cause, as the view has them."""
    minutes: dict[str, float] = {}
    for _, cause, found in rows(day):
        minutes[cause] = minutes.get(cause, 0) + found
    return minutes


def rows(day: ShopDay) -> list[tuple[str, str, float]]:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT day, cause, unit_minutes FROM hidden ORDER BY day DESC, cause").all()
    engine.dispose()
    return [tuple(row) for row in found]


def test_nothing_is_hidden_while_numbers_and_completions_come_together(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=12)
    run(day, 10, completed(11), completed(12))
    day.erp.count(*SKU, 8, as_of=13)
    run(day, 20)
    run(day, 30, completed(14))
    assert hidden(day) == {}


def test_settling_is_a_unit_the_erp_booked_before_its_event_was_released(
    day: ShopDay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    day.erp.count(*SKU, 9, as_of=11)
    run(day, 10)
    run(day, 25)
    run(day, 30, completed(11))
    assert hidden(day) == {"settling": 20}
    assert "20 unit-minutes were hidden from sale: settling. What lowers it: settle_seconds" in caplog.text


@pytest.mark.parametrize("others", [0, 3])
def test_unproven_is_a_unit_subtracted_twice_until_the_row_says_that_it_is_in_the_number(
    day: ShopDay, others: int
) -> None:
    for number in range(others):
        day.erp.count("DC01", f"SKU-OF-GOODS-{number}", 5)
    run(day, 5)
    day.erp.count(*SKU, 9)
    run(day, 10, completed(11))
    day.erp.count(*SKU, 9, as_of=11)
    for number in range(others):
        day.erp.count("DC01", f"SKU-OF-GOODS-{number}", 6)
    run(day, 40)
    # There is less past than there are keys that rise; or the other way round.
    assert hidden(day) == {"unproven": 30} | ({"import_wait": others * 30} if others else {})


def test_clock_skew_is_a_unit_published_too_shortly_before_the_number_was_taken(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    columns = {"taken_at": "counted_at"}
    day = a_day(tmp_path, database_url, erp, on_hand_as_of="taken_at", on_hand_columns=columns, clock_skew_seconds=120)
    run(day, 0)
    erp.count(*SKU, 9, at(12))
    run(day, 15, a_completion(11))
    erp.count(*SKU, 9, at(20))
    run(day, 22)
    assert hidden(day) == {"clock_skew": 7}


def test_import_wait_is_what_the_erp_has_gained_since_the_run_before(day: ShopDay) -> None:
    run(day, 10)
    day.erp.count(*SKU, 13)
    run(day, 25)
    assert hidden(day) == {"import_wait": 3 * 15}


def test_goods_and_completions_of_one_run_are_told_apart(day: ShopDay) -> None:
    day.erp.count(*SKU, 12, as_of=11)
    run(day, 15, completed(11))
    assert hidden(day) == {"import_wait": 3 * 15}


def test_import_wait_is_also_what_no_import_is_known_to_have_brought(day: ShopDay) -> None:
    day.erp.count(*SKU, 13)
    run(day, 10, acknowledge=0)
    run(day, 20, acknowledge=0)
    run(day, 30)
    run(day, 40)
    assert hidden(day) == {"import_wait": 3 * 30}


def test_held_is_what_a_key_was_sent_as_0_for(day: ShopDay) -> None:
    day.erp.count("DC01", "SHOES", 1)
    day.erp.remove(*SKU)
    run(day, 10)
    day.erp.count(*SKU, 10)
    run(day, 40)
    assert hidden(day) == {"held": 10 * 30}


def test_held_is_what_the_erp_gained_while_its_row_could_not_be_used(day: ShopDay) -> None:
    day.erp.count(*SKU, "many")
    run(day, 10)
    run(day, 20)
    day.erp.count(*SKU, 13)
    run(day, 40)
    assert hidden(day) == {"held": 3 * 30}


def test_lost_goods_were_not_hidden_nor_were_those_found_again(day: ShopDay) -> None:
    day.erp.count(*SKU, 8)
    run(day, 10)
    day.erp.count(*SKU, 10)
    run(day, 50)
    assert hidden(day) == {"import_wait": 2 * 40}


def test_evidence_brings_back_what_was_taken_out_last(day: ShopDay) -> None:
    day.erp.count(*SKU, 8)
    run(day, 10)
    day.erp.count(*SKU, 7, as_of=11)
    run(day, 20)
    run(day, 30, completed(11))
    assert hidden(day) == {"settling": 10}


def test_what_came_back_does_not_come_back_again(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=12)
    run(day, 10)
    run(day, 20, completed(11))
    run(day, 30, completed(12))
    assert hidden(day) == {"settling": 10 + 20}
    # One unit came, one left, and the number stayed.
    day.erp.count(*SKU, 8, as_of=13)
    run(day, 40, completed(13))
    assert hidden(day) == {"settling": 10 + 20, "import_wait": 10}


def test_a_unit_is_hidden_since_the_first_of_several_numbers_that_lacked_it(day: ShopDay) -> None:
    day.erp.count(*SKU, 9)
    run(day, 10, completed(11))
    day.erp.count(*SKU, 8)
    run(day, 20, completed(12))
    day.erp.count(*SKU, 8, as_of=11)
    run(day, 30)
    assert hidden(day) == {"unproven": 10}
    day.erp.count(*SKU, 8, as_of=12)
    run(day, 40)
    assert hidden(day) == {"unproven": 10 + 30}


def test_each_day_has_its_own_minutes(day: ShopDay) -> None:
    midnight = 12 * 60
    day.erp.count(*SKU, 9)
    run(day, midnight - 10, completed(11))
    day.erp.count(*SKU, 9, as_of=11)
    run(day, midnight + 5)
    assert rows(day) == [("2025-03-05", "unproven", 5), ("2025-03-04", "unproven", 10)]


def test_a_lost_state_is_no_wait(day: ShopDay) -> None:
    day.erp.count(*SKU, 13)
    run(day, 10)
    run(day, 15)
    day.state = {}
    run(day, 20)
    assert hidden(day) == {"import_wait": 3 * 10}


def test_the_account_is_kept_as_long_as_units_are(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=1)
    day.erp.count(*SKU, 10)
    run(day, 0)
    day.erp.count(*SKU, 13)
    run(day, 10)
    # Old rows go when a run reads the clock of today.
    assert hidden(day) == {"import_wait": 30}
    forget(day)
    assert hidden(day) == {}
    assert lowered(day) == 0


def test_the_figures_of_a_day_are_by_cause_and_each_has_one(day: ShopDay) -> None:
    day.erp.count(*SKU, 13)
    run(day, 10)
    run(day, 20)
    assert metric(day) == {**dict.fromkeys(CAUSES, 0.0), "import_wait": 30.0}
    run(day, 24 * 60 + 15)
    assert metric(day) == dict.fromkeys(CAUSES, 0.0)


def metric(day: ShopDay) -> dict[str, float]:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        (found,) = [each for each in figures(connection) if each.name == "newstore_stock_hidden_unit_minutes"]
    engine.dispose()
    return {labels.removeprefix('{cause="').removesuffix('"}'): value for labels, value in found.values.items()}


def forget(day: ShopDay) -> None:
    """Lower a number, so that there is something to forget, and run when all of it is old."""
    day.erp.count(*SKU, 5)
    run(day, 20)
    engine = open_engine(day.settings["ledger_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger SET folded_at = NULL")
    engine.dispose()
    run(day, 30)


def lowered(day: ShopDay) -> int:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        count: int = connection.exec_driver_sql("SELECT count(*) FROM lowered_key").scalar_one()
    engine.dispose()
    return count


def test_the_documentation_names_every_cause() -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    said = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", page.partition("## Units hidden from sale")[2], re.MULTILINE
    )
    assert said == list(CAUSES)


def test_what_rises_is_looked_up_in_the_past_and_the_past_is_not_read_through(tmp_path: Path) -> None:
    """The past of all keys grows with every run: runs would become slower and slower."""
    engine, plans = open_ledger_engine(f"sqlite:///{tmp_path / 'ledger.db'}"), list[str]()

    def explain(connection: sa.Connection, _cursor: object, statement: str, values: t.Any, *_: object) -> None:
        if "lowered_key" in statement and statement.startswith(("INSERT INTO dated", "DELETE", "UPDATE")):
            plans.extend(
                row[3] for row in connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)
            )

    day = ShopDay(tmp_path, engine)
    for quantity, as_of in ((10, None), (8, None), (9, 12)):
        day.erp.count(*SKU, quantity, as_of=as_of)
        if quantity == 9:
            sa.event.listen(engine, "before_cursor_execute", explain)
        run(day, 10 * (11 - quantity), *([completed(11), completed(12)] if as_of else []))
    engine.dispose()
    assert any("SEARCH lowered_key" in plan for plan in plans)
    assert not any("SCAN lowered_key" in plan for plan in plans)
