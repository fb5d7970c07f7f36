"""What a ledger sets on a PostgreSQL server, and what it leaves alone."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger.database import open_ledger_engine
from mapper_newstore_stock.ledger.store import Ledger

if t.TYPE_CHECKING:
    from tests.shop.postgresql import PostgreSql


def in_session(url: str, question: str) -> t.Any:
    engine = open_ledger_engine(url)
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(question).scalar()
    engine.dispose()
    return answer


def test_a_session_has_memory_to_sort_in(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    assert in_session(url, "SHOW work_mem") == "64MB"
    assert in_session(url, "SHOW temp_buffers") == "64MB"
    assert in_session(url, "SHOW jit") == "off"


def test_plans_are_for_streams_that_are_read_to_their_end_and_keys_asked_once(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    assert in_session(url, "SHOW cursor_tuple_fraction") == "1"
    assert in_session(url, "SHOW enable_memoize") == "off"


def test_a_users_own_higher_setting_stays(postgresql: PostgreSql) -> None:
    url = sa.make_url(postgresql.new_database()).update_query_dict({"options": "-c work_mem=128MB"})
    assert in_session(url.render_as_string(hide_password=False), "SHOW work_mem") == "128MB"


@pytest.mark.parametrize(
    ("of_the_role", "of_the_session"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
)
def test_commits_are_durable_whatever_the_role_says(
    postgresql: PostgreSql, of_the_role: str, of_the_session: str
) -> None:
    url = sa.make_url(postgresql.new_database()).update_query_dict({"options": f"-c synchronous_commit={of_the_role}"})
    assert in_session(url.render_as_string(hide_password=False), "SHOW synchronous_commit") == of_the_session


def test_half_of_each_on_hand_page_stays_free(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    Ledger.at(url).close()
    assert in_session(url, "SELECT reloptions FROM pg_class WHERE relname = 'on_hand'") == ["fillfactor=50"]
