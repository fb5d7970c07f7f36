"""What can go wrong in this package, said so that a user can act on it."""


class TargetError(Exception):
    """The run cannot go on; the state stays where it was."""

    exit_code = 1


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
    """

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def may_have_happened(self) -> bool:
        """The answer was lost: the call may have been carried out all the same."""
        return self.status is None or self.status >= 500


class ImportJobError(TargetError):
    """An import job failed, or did not end in time."""


class ConfigurationError(TargetError):
    """Settings that are missing or contradict each other."""

    exit_code = 2


class InputError(TargetError):
    """A line of the input is not a Singer message."""
