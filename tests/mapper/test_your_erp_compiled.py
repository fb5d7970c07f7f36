"""The statements docs/your-erp.md leads to on SQL Server and Oracle, which no test can start here: read them by eye.

Oracle has no AS before a table's alias and neither of them a literal false. Only what the mapper writes around a query
is checked; the query itself is the page's.
"""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.run.bookings import BookingSource
from mapper_newstore_stock.run.changed_rows import ChangedRows, LastReading
from mapper_newstore_stock.run.clocks import host_now
from mapper_newstore_stock.run.erp_inputs import check_source
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.on_hand import OnHandSource
from mapper_newstore_stock.run.places import Place
from mapper_newstore_stock.run.under_way import UnderWay, lowest_rowversion
from mapper_newstore_stock.run.updated_values import Times, Watch
from sqlalchemy.dialects import mssql, oracle

from tests.mapper.your_erp import settings_of

if t.TYPE_CHECKING:
    import sqlalchemy as sa

DIALECTS = {
    "### SAP Business One, on SQL Server": mssql.dialect(),  # type: ignore[no-untyped-call]
    "### Oracle E-Business Suite": oracle.dialect(),  # type: ignore[no-untyped-call]
}
COLUMNS = ["order_id", "product_id", "fulfillment_node_id", "units"]


def one_line(query: str) -> str:
    return " ".join(query.split())


class Answer(list[t.Any]):
    """One row, under the columns of the page's bookings."""

    def keys(self) -> list[str]:
        return COLUMNS


class Compiled(ErpTables):
    """Writes down what it would send to a database of a dialect."""

    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__()
        self.dialect = dialect
        self.statements: list[str] = []

    def connection(self, place: Place) -> t.Any:
        del place
        return self

    def execute(self, statement: sa.Select[t.Any], **_options: object) -> Answer:
        self.statements.append(one_line(str(statement.compile(dialect=self.dialect))))
        return Answer([("DC01", "SKU-1", 1, 1)])


@pytest.fixture(params=DIALECTS, ids=["sql_server", "oracle"])
def heading(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_statement_for_the_numbers(heading: str) -> None:
    settings, erp = settings_of(heading), Compiled(DIALECTS[heading])
    place = Place("on_hand", settings["on_hand_url"], query=settings["on_hand_query"])
    list(OnHandSource(place, form=settings["on_hand_as_of"]).rows(erp))
    query = one_line(settings["on_hand_query"])
    assert erp.statements == [
        f"SELECT fulfillment_node_id, product_id, quantity, NULL AS no_column FROM ( {query} ) on_hand_query"
    ]


def test_the_statements_for_the_bookings(heading: str) -> None:
    settings, erp = settings_of(heading), Compiled(DIALECTS[heading])
    place = Place("booked", settings["on_hand_url"], query=settings["booked_query"])
    source = BookingSource.found(place, erp.columns(place))
    list(source.rows(erp))
    query = one_line(settings["booked_query"])
    assert erp.statements == [
        f"SELECT * FROM ( {query} ) booked_query WHERE 0 = 1",
        f"SELECT order_id, product_id, fulfillment_node_id, units FROM ( {query} ) booked_query",
    ]


def test_a_table_and_a_cursor_of_changed_rows(heading: str) -> None:
    erp = Compiled(DIALECTS[heading])
    place = Place("on_hand", settings_of(heading)["on_hand_url"], table="erp.stock")
    source = OnHandSource(place, form="current", updated_column="changed_at")
    changed = ChangedRows(source, LastReading(), 7, UnderWay(), Watch(Times(), host_now(), since=7), host_now)
    list(source.rows(erp, changed))
    columns = "fulfillment_node_id, product_id, quantity, NULL AS no_column, changed_at"
    assert erp.statements == [f"SELECT {columns} FROM erp.stock WHERE changed_at >= :since OR changed_at IS NULL"]


def test_sql_server_is_asked_for_the_lowest_rowversion_that_may_still_be_written() -> None:
    statement = one_line(str(lowest_rowversion().compile(dialect=DIALECTS["### SAP Business One, on SQL Server"])))
    assert statement == "SELECT MIN_ACTIVE_ROWVERSION() AS [MIN_ACTIVE_ROWVERSION_1]"


def test_bookings_that_can_be_taken_back_are_refused_there(heading: str) -> None:
    settings = settings_of(heading) | {"booked_reversible": True}
    with pytest.raises(ConfigurationError, match=r"booked_reversible: .* one database, PostgreSQL, SQLite, MySQL or"):
        check_source(settings)
