"""One tenant for a whole run, and for the whole life of a ledger.

Logical timestamps of two cannot be compared, so a range would claim too much.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import TenantError
from mapper_newstore_stock.ledger.past_tables import tenant as tenant_table

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class OneTenant:
    """Checks that all events belong to one tenant.

    Attributes:
        seen: The tenant; None: no event has named one.

    Args:
        known: Whose events were taken before; None: nobody's.
    """

    def __init__(self, known: str | None = None) -> None:
        self._known = known
        self.seen = known

    def check(self, tenants: Iterable[str | None]) -> None:
        """Check whose some events are (None: the older webhook names none).

        Raises:
            TenantError: an earlier event named another tenant.
        """
        for tenant in tenants:
            if tenant is None or tenant == self.seen:
                continue
            if self.seen is not None:
                whose = "this run" if self._known is None else "this ledger"
                raise TenantError(
                    f"events of {tenant} came, and {whose} is {self.seen}'s. Each tenant needs its own receiver, "
                    f"landing store and ledger: correct ledger_url, or the tap's landing_url"
                )
            self.seen = tenant


def tenant_of(connection: sa.Connection) -> str | None:
    """Return whose events a ledger has taken; None: nobody's, as far as they said."""
    return connection.scalar(sa.select(tenant_table.c.name))


def note_tenant(connection: sa.Connection, tenant: str | None) -> None:
    """Note whose events a ledger takes, once it is known; the caller commits."""
    if tenant is not None and tenant_of(connection) is None:
        connection.execute(tenant_table.insert().values(name=tenant))
