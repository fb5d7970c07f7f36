"""One tenant per run: logical timestamps of two cannot be compared, so a range would claim too much."""

from __future__ import annotations

from mapper_newstore_stock.errors import TenantError


class OneTenant:
    """Checks that all events of a run belong to one tenant."""

    _tenant: str | None = None

    def check(self, tenant: str | None) -> None:
        """Check one event's tenant (None: the older webhook names none).

        Raises:
            MapperError: an earlier event named another tenant.
        """
        if tenant is None or tenant == self._tenant:
            return
        if self._tenant is not None:
            raise TenantError(
                f"events of two tenants in one run: {self._tenant} and {tenant}. Each tenant needs its own "
                f"receiver, landing store and ledger"
            )
        self._tenant = tenant
