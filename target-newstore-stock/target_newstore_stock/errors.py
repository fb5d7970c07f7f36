"""The errors of this package. Each message tells a user what to do."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from target_newstore_stock.terminal import Table


class TargetError(Exception):
    """The run cannot go on. The state stays where it was.

    Args:
        message: What happened, in one line.
        table: Details that do not fit in one line; printed before it.
    """

    exit_code = 1

    def __init__(self, message: str, table: Table | None = None) -> None:
        super().__init__(message)
        self.table = table


class RecordError(TargetError):
    """A record is not a stock record, or does not fit its cut."""


class IncompleteCutError(TargetError):
    """The input ended inside a cut. Nothing of the cut was imported."""


class LocationError(TargetError):
    """A fulfillment node must not, or cannot, be imported."""


class StagingError(TargetError):
    """The stock file could not be staged for NewStore."""


class ApiError(TargetError):
    """NewStore refused a call, or did not answer.

    Args:
        message: What happened, with NewStore's own words.
        status: HTTP status; None when there was no answer.
        retry_after: Seconds NewStore asks us to wait.
        is_ip_limit: This IP address has called too often; the limit lasts five minutes.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
        *,
        is_ip_limit: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.is_ip_limit = is_ip_limit

    @property
    def may_have_happened(self) -> bool:
        """The call may have been carried out, although no success was reported."""
        return self.status is None or self.status >= 500

    @property
    def passes(self) -> bool:
        """The same call may succeed later."""
        return self.may_have_happened or self.status == 429 or self.is_ip_limit


class ImportJobError(TargetError):
    """An import job failed, refused items, or did not end in time."""


class VerificationError(TargetError):
    """NewStore's own numbers contradict an import."""


class SecondRunError(TargetError):
    """Another run imports for the same tenant."""


class ConfigurationError(TargetError):
    """Settings are missing, wrong or contradictory."""

    exit_code = 2


class InputError(TargetError):
    """A line of the input is not a Singer message."""
