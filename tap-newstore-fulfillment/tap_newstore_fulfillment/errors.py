"""The errors of this package; their texts say what a user can do."""


class TapError(Exception):
    """Receiving, storing or releasing events failed."""

    exit_code = 1


class EventRejectedError(TapError):
    """A body is not a fulfilment event; the text names the field.

    Attributes:
        event_id: Which event it would have been; None: that cannot be read.
    """

    def __init__(self, reason: str, event_id: str | None = None) -> None:
        super().__init__(reason)
        self.event_id = event_id


class OtherEntityError(TapError):
    """A body is a well-formed event of another entity, such as an order.

    Attributes:
        event_name: Its name.
    """

    def __init__(self, event_name: str) -> None:
        super().__init__(f"{event_name}: not an event of a fulfilment request")
        self.event_name = event_name


class StoreUnavailableError(TapError):
    """The landing store could not be reached or written; the event must be sent again."""


class NoPrimaryError(StoreUnavailableError):
    """No server of the landing store takes writes: a failover is under way, or what answers is a standby."""


class StoreRefusedError(TapError):
    """The landing store works, and cannot hold this content; to send it again would not help."""


class ConfigurationError(TapError):
    """Settings that cannot be read or used."""

    exit_code = 2


class NewStoreCallError(TapError):
    """NewStore refused a call.

    Args:
        message: What it answered, in its own words.
        status: HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CouldNotAuditError(TapError):
    """An audit says nothing about what was lost; 1 would say that something was."""

    exit_code = 3
