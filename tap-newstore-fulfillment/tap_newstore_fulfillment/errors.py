"""What can go wrong in this package, said so that a user can act on it."""


class TapError(Exception):
    """Something failed while receiving, keeping or releasing events."""

    exit_code = 1


class EventRejectedError(TapError):
    """A body is not a fulfilment event; the text names the field."""


class StoreUnavailableError(TapError):
    """The landing store could not be reached or written; the event must be sent again."""


class ConfigurationError(TapError):
    """Settings that cannot be read, or that the receiver cannot start with."""

    exit_code = 2
