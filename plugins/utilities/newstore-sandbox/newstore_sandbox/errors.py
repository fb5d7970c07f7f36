"""What the sandbox refuses, said as NewStore would say it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class CallError(Exception):
    """A refused call.

    Args:
        status: HTTP status of the answer.
        code: NewStore's `error_code`.
        message: What was wrong with which field or object.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class StockFileError(Exception):
    """An import job fails because of its file.

    Args:
        reason: The job's `reason`.
        rows: One text per entry of the job's `/errors`.
    """

    def __init__(self, reason: str, rows: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rows = list(rows)
