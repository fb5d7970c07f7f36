"""The package's errors; their texts tell a user what to do."""


class MapperError(Exception):
    """The run cannot go on. Nothing wrong has been sent."""

    exit_code = 1


class OnHandError(MapperError):
    """The ERP's on-hand cannot be read, or one of its rows cannot be used."""


class LedgerError(MapperError):
    """The ledger cannot be used: another run holds it, or it does not fit the state."""


class QuantityError(MapperError):
    """A quantity cannot be computed, or must not be sent; names the keys."""


class ConfigurationError(MapperError):
    """Settings that contradict each other."""

    exit_code = 2


class StateError(MapperError):
    """A bookmark of the Singer state is not what the tap and this mapper write."""


class InputError(MapperError):
    """A line of the input is not a Singer message, or the input is not what the tap has sent."""
