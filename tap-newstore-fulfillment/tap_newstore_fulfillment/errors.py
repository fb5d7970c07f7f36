"""The errors of this package; their texts say what a user can do."""


class TapError(Exception):
    """Receiving, storing or releasing events failed."""

    exit_code = 1


class EventRejectedError(TapError):
    """A body is not a fulfilment event; the text names the field."""


class StoreUnavailableError(TapError):
    """The landing store could not be reached or written; the event must be sent again."""


class ConfigurationError(TapError):
    """Settings that cannot be read or used."""

    exit_code = 2
