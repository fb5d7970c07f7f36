"""SELECTs on a SQL source of the ERP: its tables by the names it gives them, and its queries as they are written."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, OnHandError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.compiler import IdentifierPreparer

    from mapper_newstore_stock.run.places import Place

#: A part of a table's name; quoted as PostgreSQL, MySQL or SQL Server quote it, it may hold dots.
_PART = re.compile(r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|\[(?:[^\]]|\]\])+\]|[^."`\[\]]+')
_QUOTES = {'"': '"', "`": "`", "[": "]"}
#: What a query is made of, as far as its end depends on it: quoted texts, comments, spaces, semicolons.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$|(?P<after>--[^\n]*|/\*.*?\*/|\s+|;)|[^'"`$\-/\s;]+|.""",
    re.DOTALL,
)


def select(connection: sa.Connection, place: Place, names: Sequence[str]) -> sa.Select[t.Any]:
    """Return a SELECT of columns of a table or query; a name "" gives NULL.

    Names that need quotes are looked up first. Some databases keep a name as it was written and others fold its case;
    and SQLite takes one in quotes that is not there for a text. Of two columns of one name SQLite takes the first,
    where others refuse: `SELECT *, quantity - reserved AS quantity`.

    Raises:
        OnHandError: a column is not there, or twice.
        ConfigurationError: no table and no query is set.
    """
    columns, quote = [_unquoted(name) for name in names], connection.dialect.identifier_preparer.quote
    takes_the_first = connection.dialect.name == "sqlite"
    known = column_names(connection, place) if takes_the_first else []
    if any(quote(name) != name for name in columns if name):
        known = known or column_names(connection, place)
        columns = [name and _spelled(name, known, place) for name in columns]
    if takes_the_first:
        _refuse_twice(columns, known, place)
    wanted = [sa.column(name) if name else sa.null().label("no_column") for name in columns]
    return sa.select(*wanted).select_from(_from(connection, place))


def column_names(connection: sa.Connection, place: Place) -> list[str]:
    """Return the names of the columns of a table or query.

    Raises:
        ConfigurationError: no table and no query is set.
    """
    nothing = sa.select(sa.text("*")).select_from(_from(connection, place)).where(sa.false())
    return list(connection.execute(nothing).keys())


def from_query(query: str, alias: str) -> sa.TextClause:
    """Return a query as it stands in a FROM: without a semicolon at its end, with no colon for a parameter.

    The alias has no AS before it: Oracle knows none there.
    """
    return _verbatim(f"(\n{_without_end(query)}\n) {alias}")


def from_table(name: str, preparer: IdentifierPreparer) -> sa.TextClause:
    """Return a table as it stands in a FROM, each part of its name quoted as the database quotes it."""
    return _verbatim(".".join(_quoted(part, preparer) for part in _parts(name)))


def _from(connection: sa.Connection, place: Place) -> sa.TextClause:
    if place.query:
        return from_query(place.query, f"{place.setting}_query")
    if place.table:
        return from_table(_existing(connection, place.table), connection.dialect.identifier_preparer)
    raise ConfigurationError(
        f"{place.setting}_table or {place.setting}_query: one of them is required with a SQL {place.setting}_url"
    )


def _existing(connection: sa.Connection, name: str) -> str:
    """Return a table's name as the database knows it: a mixed-case one may have been folded to lower case."""
    *schema, table = _parts(name)
    if table == table.lower() or isinstance(_unquoted(table), sa.quoted_name):
        return name
    within = ".".join(_unquoted(part) for part in schema) or None
    inspector = sa.inspect(connection)
    folded = table.lower()
    if not inspector.has_table(table, schema=within) and inspector.has_table(folded, schema=within):
        return ".".join([*schema, folded])
    return name


def _parts(name: str) -> list[str]:
    """Return the parts of a name between its dots: database, schema, table."""
    parts = _PART.findall(name)
    return parts if ".".join(parts) == name else [name]


def _quoted(part: str, preparer: IdentifierPreparer) -> str:
    name = _unquoted(part)
    return preparer.quote_identifier(name) if isinstance(name, sa.quoted_name) else preparer.quote(name)


def _unquoted(name: str) -> str:
    """Return a name without the quotes around it; SQLAlchemy then quotes it always."""
    end = _QUOTES.get(name[:1])
    if end is None or len(name) < 3 or not name.endswith(end):
        return name
    return sa.quoted_name(name[1:-1].replace(end * 2, end), quote=True)


def _spelled(name: str, known: Sequence[str], place: Place) -> str:
    """Return a column's name as it is spelled; one that is only alike counts if it is the only one."""
    if name in known:
        return name
    alike = [other for other in known if other.lower() == name.lower()]
    if len(alike) == 1 and not isinstance(name, sa.quoted_name):
        return alike[0]
    raise OnHandError(
        f"{place.setting}_url: cannot read {place.name}: it has no column {name} ({', '.join(known)})",
        f"Correct {place.setting}_columns",
    )


def _refuse_twice(columns: Sequence[str], known: Sequence[str], place: Place) -> None:
    """Refuse a column that SQLite has twice: it calls the second one `quantity:1`."""
    names = {name.lower() for name in known}
    for column in columns:
        if f"{column}:1".lower() in names:
            shown = ", ".join(re.sub(r":\d+$", "", name) for name in known)
            raise OnHandError(
                f"{place.setting}_url: cannot read {place.name}: it has the column {column} twice ({shown})",
                "Leave one of them out, or give it another name",
            )


def _without_end(query: str) -> str:
    """Return a query without the semicolons, comments and spaces at its end."""
    end = max((token.end() for token in _TOKEN.finditer(query) if token["after"] is None), default=0)
    return query[:end]


def _verbatim(text: str) -> sa.TextClause:
    r"""Return a text in which no colon begins a parameter; one already written `\:` is the same."""
    return sa.text(re.sub(r"\\?:", r"\\:", text))
