"""Names with `*`, in Python and in SQL."""

from __future__ import annotations

import fnmatch
import re
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def matcher(globs: Sequence[str]) -> Callable[[str], object] | None:
    """Return what tells whether a name matches one of the globs; None: there are none."""
    # Only `*` is special here; to fnmatch `[` and `?` are too.
    plain = [glob.replace("[", "[[]").replace("?", "[?]") for glob in globs]
    return re.compile("|".join(fnmatch.translate(glob) for glob in plain)).match if plain else None


def matches(column: t.Any, globs: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """Return a condition for each glob a column's text may match."""
    return [column.like(_like(glob), escape="\\") for glob in globs]


def matches_none(key: t.Any, nodes: Sequence[str], products: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that no glob matches a key."""
    found = [*matches(key.fulfillment_node_id, nodes), *matches(key.product_id, products)]
    return [~match for match in found]


def at_nodes(key: t.Any, nodes: Sequence[str] | None) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a key is at one of the nodes (globs); none where `nodes` is None: they are all."""
    return [] if nodes is None else [sa.or_(sa.false(), *matches(key.fulfillment_node_id, nodes))]


def _like(glob: str) -> str:
    """Return a glob as a LIKE pattern."""
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, "\\" + special)
    return glob.replace("*", "%")
