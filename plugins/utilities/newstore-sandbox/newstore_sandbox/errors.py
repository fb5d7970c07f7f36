"""Errors the sandbox answers with, worded as NewStore's."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from newstore_sandbox.import_jobs import Row


class CallError(Exception):
    """A refused call.

    Args:
        status: HTTP status of the answer.
        code: NewStore's `error_code`.
        message: Which field or object was wrong, and how.
        retry_after: Seconds the caller is asked to wait.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        self.code = code
        self.message = message


class StockFileError(Exception):
    """The stock file makes its import job fail.

    Args:
        reason: The job's `reason`.
        rows: The entries of the job's `/errors`, or the reason in each.
    """

    def __init__(self, reason: str, rows: Iterable[Row] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rows = list(rows)
