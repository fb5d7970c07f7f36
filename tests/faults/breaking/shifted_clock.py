"""Clocks of real processes that can be shifted while they run: the machine's and a PostgreSQL server's."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from pathlib import Path

#: A `sitecustomize.py`, which Python runs at the start of each process.
ON_START = """
import pathlib, time

_true = time.time_ns
_file = pathlib.Path({path!r})

time.time_ns = lambda: _true() + int(_file.read_text()) * 1_000_000_000
"""
#: The search path finds these before the server's own function.
FUNCTIONS = """
CREATE TABLE public.shift (seconds integer NOT NULL);
INSERT INTO public.shift VALUES (0);
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT pg_catalog.clock_timestamp() + seconds * interval ''1 second'' FROM public.shift';
"""


class MachineClock:
    """The wall clock of every Python process that has these variables.

    Args:
        directory: Where the files are that the processes read.

    Attributes:
        variables: Of the environment.
    """

    def __init__(self, directory: Path) -> None:
        self.variables = {"PYTHONPATH": str(directory)}
        self._file = directory / "shift"
        self.set(0)
        (directory / "sitecustomize.py").write_text(ON_START.format(path=str(self._file)), encoding="utf-8")

    def set(self, seconds: int) -> None:
        """Set the clock to the true time plus `seconds`."""
        part = self._file.with_suffix(".part")
        part.write_text(str(seconds), encoding="utf-8")
        part.rename(self._file)


class ServerClock:
    """The wall clock of a PostgreSQL database.

    Args:
        url: SQLAlchemy URL of a database that nobody has opened yet.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        name = sa.make_url(url).database
        self._execute(FUNCTIONS, f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog')

    def set(self, seconds: int) -> None:
        """Set the clock to the true time plus `seconds`."""
        self._execute(f"UPDATE public.shift SET seconds = {seconds}")

    def _execute(self, *statements: str) -> None:
        engine = sa.create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
