"""What the ledger asks of a PostgreSQL server, and leaves to it."""

from __future__ import annotations

import typing as t

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


def test_a_session_sorts_in_memory_what_the_servers_usual_setting_sorts_on_disk(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    assert in_session(url, "SHOW work_mem") == "64MB"
    assert in_session(url, "SHOW temp_buffers") == "64MB"
    assert in_session(url, "SHOW jit") == "off"


def test_a_higher_setting_of_the_users_own_stays(postgresql: PostgreSql) -> None:
    url = sa.make_url(postgresql.new_database()).update_query_dict({"options": "-c work_mem=128MB"})
    assert in_session(url.render_as_string(hide_password=False), "SHOW work_mem") == "128MB"


def test_rows_have_room_for_what_is_sent(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    Ledger.at(url).close()
    assert in_session(url, "SELECT reloptions FROM pg_class WHERE relname = 'on_hand'") == ["fillfactor=50"]
