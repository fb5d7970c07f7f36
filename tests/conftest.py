"""Fixtures for all tests: a real PostgreSQL server and a server that speaks the S3 protocol."""

from __future__ import annotations

import gc
import os
import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.faults.reports.reporting import show_reports
from tests.in_parts import InParts, takes_long
from tests.shop import mariadb as mariadb_here
from tests.shop.object_store import ObjectStore, serving
from tests.shop.postgresql import PostgreSql
from tests.shop.statements import share_compiled_statements

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop.mariadb import MariaDb


# As pytest is told in pyproject.toml: from some day on the SDK says of the oldest Python that it comes to its end.
os.environ.setdefault("PYTHONWARNINGS", "ignore:Python 3:FutureWarning")

#: Where files are kept in memory, and the bytes free there that all tests at once never need. On a disk they wait for
#: it: they write thousands of small databases, each commit through to it.
IN_MEMORY = Path("/dev/shm")
ROOM = 6 << 30


def may_be_used(directory: Path) -> bool:
    """Return whether all tests have room in a directory, and may start there the programs they install."""
    if not directory.is_dir():
        return False
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize > ROOM and not about.f_flag & os.ST_NOEXEC


if "TMPDIR" not in os.environ and may_be_used(IN_MEMORY):
    os.environ["TMPDIR"] = str(IN_MEMORY)
    tempfile.tempdir = None  # what has been found before


share_compiled_statements()


def pytest_xdist_make_scheduler(config: pytest.Config, log: t.Any) -> InParts | None:
    return InParts(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not takes_long(item.nodeid))


def pytest_collection_finish() -> None:
    # All that was imported stays to the end; looked through again and again, it would cost a sixth of the time.
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # With several processes, only the controller has all results.
    if not hasattr(terminalreporter.config, "workerinput"):
        show_reports(terminalreporter)


@pytest.fixture(scope="session")
def postgresql_of_all() -> Iterator[PostgreSql]:
    """Yield the PostgreSQL server of this test run."""
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql(postgresql_of_all: PostgreSql) -> Iterator[PostgreSql]:
    """Yield the PostgreSQL server of this test run, without the databases of other files."""
    yield postgresql_of_all
    postgresql_of_all.drop_databases()


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSql]:
    """Yield a PostgreSQL server that a test may stop: no other test uses it."""
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Yield the MariaDB server of this test run."""
    server = mariadb_here.find()
    if server is None:
        pytest.skip("no MariaDB on this machine: install Debian's package `mariadb-server-core` to run this test")
    with mariadb_here.MariaDb(server) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the SQLAlchemy URL of a new, empty database; tests that use it run on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database.db'}"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Yield the base URL of the S3 server of this test run."""
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def object_store(s3_endpoint: str) -> ObjectStore:
    """Return a new, empty bucket on the S3 server."""
    return ObjectStore(s3_endpoint)
