"""An upgrade killed at any of its statements leaves the store as it was or finishes it; the next one ends the same."""

from __future__ import annotations

import contextlib
import re
import typing as t

import psycopg
import pytest
from mapper_newstore_stock.errors import MapperError
from tap_newstore_fulfillment.errors import TapError

from tests.upgrades.stores import OPENS, STRIDE, before_nth, content, kill_in_turn, load_oldest, statements_of

if t.TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from tests.shop.postgresql import PostgreSql

#: Fewer statements and commits than any upgrade has.
FEWEST_STEPS = 20


def upgraded(store: str, url: str) -> dict[str, t.Any]:
    """Upgrade a store of the oldest version in one go, and return its content."""
    OPENS[store](load_oldest(url, store))
    return content(url)


@pytest.mark.parametrize("store", OPENS)
def test_killed_at_each_statement_in_turn_a_store_is_as_it_was_or_finished(
    store: str, new_database: Callable[[str], str]
) -> None:
    at_once = load_oldest(new_database("finished"), store)
    statements = statements_of(OPENS[store], at_once)
    finished = content(at_once)
    url = load_oldest(new_database("killed"), store)
    untouched = content(url)

    def look(step: int) -> None:
        assert content(url) in (untouched, finished), f"killed before statement {step}"

    assert statements > FEWEST_STEPS
    assert kill_in_turn(OPENS[store], (url,), statements, look) == 0
    assert content(url) == finished


@pytest.mark.parametrize("store", OPENS)
def test_a_connection_cut_at_each_statement_in_turn_is_one_line_and_leaves_a_store_as_it_was_or_finished(
    store: str, postgresql: PostgreSql
) -> None:
    finished = upgraded(store, postgresql.new_database())
    url = load_oldest(postgresql.new_database(), store)
    untouched, step, was_cut = content(url), 0, True

    def cut(connection: sa.Connection) -> None:
        nonlocal was_cut
        was_cut = True
        session: t.Any = connection.connection.driver_connection
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [session.info.backend_pid])

    while was_cut:
        step, was_cut = step + STRIDE, False
        end = before_nth(step, cut)
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.callback(end)
            outcome = try_once(store, url)
        assert "\n" not in outcome
        assert content(url) in (untouched, finished), f"cut before statement {step}"
    assert (outcome, content(url)) == ("", finished)
    assert step > FEWEST_STEPS


def try_once(store: str, url: str) -> str:
    """Upgrade a store, and return what is said if it fails."""
    try:
        OPENS[store](url)
    except (MapperError, TapError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("store", OPENS)
def test_an_upgrade_says_in_one_line_what_was_done_and_how_long_it_took(
    store: str, new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    url = load_oldest(new_database("old"), store)
    with caplog.at_level("INFO"):
        OPENS[store](url)
        OPENS[store](url)
    (line,) = [record.getMessage() for record in caplog.records if "schema version" in record.getMessage()]
    assert re.search(r" brought from schema version \d to \d in \d+\.\d s: \w", line)
