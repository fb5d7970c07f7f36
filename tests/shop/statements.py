"""SQL statements that are compiled once for a test process.

Each run of a plugin inside a test has an engine of its own, and each engine would compile every statement again: a
quarter of the time of such tests.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Hashable

    Key = tuple[t.Any, *tuple[Hashable, ...]]

#: What is kept of a statement knows which columns the first one that executed it has found.
ALL_COLUMNS = re.compile(r"(select\s+|\.)\*", re.IGNORECASE)
#: Tables that a test makes for itself are parts of keys, so the keys of some thousand tests would stay for good.
MOST = 4096


class CompiledStatements(dict["Key", t.Any]):
    """What SQLAlchemy's execution option `compiled_cache` asks for, shared by all engines of the same kind.

    In its keys the dialect comes first, an object of its engine's; here its class and the server's version do.
    """

    def get(self, key: Key, default: t.Any = None) -> t.Any:
        """Return the statement compiled for any engine of this kind."""
        return super().get(_for_all_of_its_kind(key), default)

    def __setitem__(self, key: Key, compiled: t.Any) -> None:
        """Keep a statement for all engines of this kind."""
        if ALL_COLUMNS.search(str(compiled)):
            return
        if len(self) >= MOST:
            self.clear()
        super().__setitem__(_for_all_of_its_kind(key), compiled)


def share_compiled_statements() -> None:
    """Let all engines of this process share what they have compiled."""
    shared = CompiledStatements()
    sa.event.listen(sa.Engine, "engine_connect", lambda connection: connection.execution_options(compiled_cache=shared))


def _for_all_of_its_kind(key: Key) -> Key:
    dialect, *rest = key
    return (type(dialect), dialect.server_version_info, *rest)
