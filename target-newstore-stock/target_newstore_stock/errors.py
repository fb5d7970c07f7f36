"""What can go wrong in this package, said so that a user can act on it."""

from __future__ import annotations

import typing as t

from target_newstore_stock.terminal import Table

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_newstore_stock.import_api import JobError
    from target_newstore_stock.keys import Key

SHOWN_ROWS = 50


class TargetError(Exception):
    """The run cannot go on; the state stays where it was.

    Attributes:
        table: What does not fit in one line; shown below it.
    """

    exit_code = 1
    table: Table | None = None


class RecordError(TargetError):
    """A record is not a stock record, or does not fit its cut."""


class IncompleteCutError(TargetError):
    """The input ended inside a cut: nothing of it was imported."""


class LocationError(TargetError):
    """A fulfillment node must not or cannot be imported."""


class StagingError(TargetError):
    """The stock file could not be written where NewStore fetches it."""


class ApiError(TargetError):
    """NewStore refused a call, or did not answer.

    Args:
        message: What happened, with NewStore's own words.
        status: HTTP status; None when there was no answer.
        retry_after: Seconds NewStore asks to wait.
        is_ip_limit: The address has called too often; it passes after five minutes.
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
        """The answer was lost: the call may have been carried out all the same."""
        return self.status is None or self.status >= 500

    @property
    def passes(self) -> bool:
        """The same call may succeed later."""
        return self.may_have_happened or self.status == 429 or self.is_ip_limit


class ImportJobError(TargetError):
    """An import job failed, or did not end in time.

    Args:
        message: What happened.
        title: Title of the table, such as the reason.
        errors: NewStore's own list of what is wrong.
    """

    def __init__(self, message: str, title: str = "", errors: Sequence[JobError] = ()) -> None:
        super().__init__(message)
        if errors or title:
            shown = [(error.entity_type, error.entity_id, error.reason) for error in errors[:SHOWN_ROWS]]
            rest = len(errors) - len(shown)
            more = [("", "", f"and {rest} more")] if rest else []
            self.table = Table(title, ("entity_type", "entity_id", "reason"), shown + more)


class VerificationError(TargetError):
    """NewStore's own numbers contradict an import.

    Args:
        message: What happened.
        above: Keys with more ATP than was imported: the key, the quantity, the ATP.
        missing: Keys NewStore shows no ATP of.
    """

    def __init__(self, message: str, above: Sequence[tuple[Key, int, int]], missing: Sequence[Key]) -> None:
        super().__init__(message)
        rows = [(*key, quantity, atp) for key, quantity, atp in above] + [(*key, None, "not shown") for key in missing]
        columns = ("fulfillment_node_id", "product_id", "imported", "ATP")
        self.table = Table("NewStore's ATP contradicts the import", columns, rows[:SHOWN_ROWS])


class SecondRunError(TargetError):
    """Another run imports for the same tenant."""


class ConfigurationError(TargetError):
    """Settings that are missing or contradict each other."""

    exit_code = 2


class InputError(TargetError):
    """A line of the input is not a Singer message."""
