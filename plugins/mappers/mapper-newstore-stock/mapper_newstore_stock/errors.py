"""What can go wrong in this package, said so that a user can act on it."""


class MapperError(Exception):
    """The run cannot go on; nothing wrong has been sent."""

    exit_code = 1


class OnHandError(MapperError):
    """The ERP's on-hand cannot be read, or a row of it is not usable."""


class LedgerError(MapperError):
    """The ledger cannot be used: it is held by another run, or it does not fit the state."""


class QuantityError(MapperError):
    """A quantity cannot be computed, or must not be sent; names the keys."""


class ConfigurationError(MapperError):
    """Settings that contradict each other."""

    exit_code = 2


class StateError(MapperError):
    """A bookmark of the Singer state is not what the tap and this mapper write."""


class InputError(MapperError):
    """A line of the input is not a Singer message."""
