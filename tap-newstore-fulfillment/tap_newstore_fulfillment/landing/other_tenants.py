"""Bodies of another tenant that are no events: set aside without a hole, the timestamps are not ours (rule 15)."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.any_json import read_json
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, REFUSED, landing_store, quarantine
from tap_newstore_fulfillment.units import is_id

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    Rows = Sequence[dict[str, t.Any]]


def other_tenant(tenant: str | None, ours: str) -> str:
    """Return the reason why an event is set aside."""
    return f"an event of tenant {tenant}; this landing store is {ours}'s (setting tenant)"


def named_tenant(body: bytes) -> str | None:
    """Return the tenant a refused body names; None: it names none, or not so that it can be read."""
    try:
        tenant = read_json(body).value["tenant"]
    except Exception:  # noqa: BLE001 - what nobody foresaw must not keep a body out of quarantine
        return None
    return tenant if isinstance(tenant, str) and is_id(tenant) else None


def with_others_apart(connection: sa.Connection, rows: Rows) -> Rows:
    """Return rows for quarantine; a refused body of another tenant is that tenant's, once, and leaves no hole.

    Args:
        connection: The store's, in a transaction.
        rows: As `new_row` makes them.
    """
    ours = connection.scalar(sa.select(landing_store.c.tenant))
    others = {
        number: tenant
        for number, row in enumerate(rows)
        if ours and row["kind"] == REFUSED and (tenant := named_tenant(row["body"])) not in (None, ours)
    }
    if not ours or not others:
        return rows
    entry, ids = quarantine.c, [rows[number]["event_id"] for number in others]
    there = sa.select(entry.event_id).where(entry.event_id.in_(ids), entry.kind == ANOTHER_TENANT)
    known, judged = set(connection.scalars(there)), list[dict[str, t.Any]]()
    for number, row in enumerate(rows):
        if number not in others:
            judged.append(row)
        elif row["event_id"] not in known:
            known.add(row["event_id"])
            reason = f"{other_tenant(others[number], ours)}: {row['reason']}"
            judged.append({**row, "kind": ANOTHER_TENANT, "holes": None, "reason": reason})
    return judged
