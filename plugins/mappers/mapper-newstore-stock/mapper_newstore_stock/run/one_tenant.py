"""Logical timestamps of two tenants cannot be compared; a range would claim too much."""

from __future__ import annotations

from mapper_newstore_stock.errors import MapperError


class OneTenant:
    """Checks that all events of a run belong to one tenant."""

    _tenant: str | None = None

    def check(self, tenant: str | None) -> None:
        """Check one event; the older webhook names no tenant.

        Raises:
            MapperError: an event before it named another one.
        """
        if tenant is None or tenant == self._tenant:
            return
        if self._tenant is not None:
            raise MapperError(
                f"events of two tenants in one run: {self._tenant} and {tenant}. Each tenant needs its own "
                f"receiver, landing store and ledger"
            )
        self._tenant = tenant
