"""Events of another tenant whose bodies are gone, and whose they were (design rules 15 and 18).

They were answered 200, so NewStore does not send them again by itself. Once their tenant is this store's, each is a
hole at its logical timestamp until it comes again: no range may claim what is neither stored nor known to be missing.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, REFUSED, quarantine, timestamp_of

if t.TYPE_CHECKING:
    from collections.abc import Sequence

#: How the reason begins that another tenant's event is set aside for; it outlives the body.
OF_TENANT = "an event of tenant "
#: Where the store's tenant is from, as far as the process that set the event aside knew.
IS_SET, IS_LEARNED = " (setting tenant)", ". If it is not, set tenant"
WHOSE = re.compile(rf"{OF_TENANT}(.*); this landing store is .*'s(?:{re.escape(IS_SET)}|{re.escape(IS_LEARNED)})")


def other_tenant(tenant: str | None, ours: str, *, is_set: bool) -> str:
    """Return the reason why an event is set aside.

    Args:
        tenant: The event's.
        ours: The store's.
        is_set: Whether the setting `tenant` says so, and not only what came first.
    """
    return f"{OF_TENANT}{tenant}; this landing store is {ours}'s{IS_SET if is_set else IS_LEARNED}"


def is_of_another() -> sa.ColumnElement[bool]:
    """Return the condition that an entry was set aside as another tenant's event, whatever became of it."""
    return quarantine.c.reason.startswith(OF_TENANT)


def is_missing() -> sa.ColumnElement[bool]:
    """Return the condition that an entry is an event of ours that was never read: it came as another tenant's."""
    return sa.and_(quarantine.c.kind == REFUSED, is_of_another())


def is_whole() -> sa.ColumnElement[bool]:
    """Return the condition that an entry has all of its body; an earlier version cut long ones."""
    size = sa.func.length(quarantine.c.body)
    return sa.and_(size > 0, size >= quarantine.c.bytes)


def is_emptied() -> sa.ColumnElement[bool]:
    """Return the condition that an entry is another tenant's event that is nowhere any more."""
    entry = quarantine.c
    return sa.and_(entry.kind == ANOTHER_TENANT, entry.holes.is_(None), ~is_whole())


def make_holes(connection: sa.Connection, ours: str, unreadable: Sequence[int] = ()) -> int:
    """Let the emptied events of the tenant that is ours now be holes, and no others; the caller commits.

    Args:
        connection: The store's, in a transaction.
        ours: The tenant.
        unreadable: The ids of entries whose bodies are no events today, and so as good as none.

    Returns:
        How many events are missing. One that does not say whose it was may be ours.
    """
    entry = quarantine.c
    connection.execute(quarantine.update().where(is_missing()).values(kind=ANOTHER_TENANT, holes=None))
    is_nowhere = sa.or_(is_emptied(), entry.id.in_(unreadable))
    reasons = connection.scalars(sa.select(entry.reason).where(is_nowhere).distinct())
    may_be_ours = [reason for reason in reasons if _tenant_in(reason) in (None, ours)]
    at = timestamp_of(entry.event_id)
    hole = sa.literal("[[") + at + ", " + at + "]]"
    missing = quarantine.update().where(is_nowhere, entry.reason.in_(may_be_ours))
    return connection.execute(missing.values(kind=REFUSED, holes=hole)).rowcount


def _tenant_in(reason: str) -> str | None:
    found = WHOSE.fullmatch(reason)
    return found[1] if found else None
