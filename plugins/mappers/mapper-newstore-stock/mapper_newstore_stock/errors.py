"""The package's errors; their texts tell a user what to do.

`code` is for tools: it stays what it is. The first paragraph of a class says what the code means, the second what to
do about it; docs/errors.md is written from them.
"""

from __future__ import annotations

import typing as t


class MapperError(Exception):
    """Nobody foresaw this, or the Singer SDK refused something. Nothing wrong has been sent.

    Read the line; if it does not say what to do, report it with the log of the run.

    Args:
        message: What happened, and where.
        to_do: What to do about it, where the message does not say it; a check says it in words of its own.
    """

    code: t.ClassVar[str] = "NSS-200"
    exit_code = 1

    def __init__(self, message: str, to_do: str = "") -> None:
        super().__init__(message)
        self.to_do = to_do

    def with_to_do(self) -> str:
        """Return the text with what to do about it, where the text does not say that itself."""
        return f"{str(self).removesuffix('.')}. {self.to_do}" if self.to_do else str(self)


class ConfigurationError(MapperError):
    """A setting or an option is missing, cannot be read, or contradicts another one.

    Correct what the line names. `newstore-stock-ledger check` names all of them at once.
    """

    code = "NSS-201"
    exit_code = 2


class FoundError(MapperError):
    """A command or a check has found what it was asked to look for. No run has failed by it.

    Look at what it lists, or do what its line says.
    """

    code = "NSS-202"


class FileError(MapperError):
    """A file named by an option cannot be read or written.

    Correct the path, or the rights of its directory.
    """

    code = "NSS-203"


class ServerError(MapperError):
    """A server that a command or a check asked did not answer, or not as NewStore or a receiver does.

    Check the address and the credentials, then run the command again. No run depends on it.
    """

    code = "NSS-204"


class OnHandError(MapperError):
    """The ERP's numbers or bookings cannot be read.

    See to it that the place named is there, can be reached, and has the columns the settings name.
    """

    code = "NSS-210"


class NotWholeError(OnHandError):
    """A list is not whole: empty, cut, damaged, not as its trailer says, or far shorter than before. Nothing was taken.

    Let the ERP write it again. If it really is that short, raise `max_vanished_percent` for one run.
    """

    code = "NSS-211"


class VanishedRowsError(OnHandError):
    """Rows have left the ERP's list, and `vanished_rows` is `fail`.

    Put them back, or set `vanished_rows` to `zero` or `keep`.
    """

    code = "NSS-212"


class UnusableRowsError(OnHandError):
    """Rows of the ERP cannot be used: a value is missing, of a wrong type, or not a whole number.

    Correct the rows named, or the settings that say how values are written.
    """

    code = "NSS-213"


class RepeatedKeysError(OnHandError):
    """A key has two rows, in one list or in two sources, so its number is ambiguous.

    Leave one of them out, for instance by `on_hand_query` or `ignored_nodes`.
    """

    code = "NSS-214"


class StaleListError(OnHandError):
    """A list is older than `max_on_hand_age_minutes`.

    See why the ERP has written no newer one.
    """

    code = "NSS-215"


class ClockError(OnHandError):
    """Clocks are further apart than `clock_skew_seconds`, or a list says that it was taken in the future.

    Correct the clock that is wrong, or what says in which time zone the list was taken.
    """

    code = "NSS-216"


class LostProofError(OnHandError):
    """Rows say that they contain less than before, or than the ledger must know, and what lies between is gone.

    Correct the column or list of proofs, or restore the ledger that has taken those events.
    """

    code = "NSS-217"


class QuantityError(MapperError):
    """A quantity must not be sent: it is negative.

    Correct the ERP's number, or set `negative_on_hand` to `zero`.
    """

    code = "NSS-220"


class HeldKeysError(QuantityError):
    """So many keys have no row that can be used that something is wrong with the whole list.

    Add or correct the rows, or raise `max_held_percent` if so many are right.
    """

    code = "NSS-221"


class LedgerError(MapperError):
    """The ledger cannot be opened, read or written.

    See to it that `ledger_url` names it, and that its file or database is there and can be written.
    """

    code = "NSS-230"


class LedgerInUseError(LedgerError):
    """Another run, named in the line, writes the ledger.

    Wait until it has ended; one ledger has one writer.
    """

    code = "NSS-231"


class LedgerVersionError(LedgerError):
    """The ledger was made by another version of this program, or has been moved elsewhere.

    Run `newstore-stock-ledger upgrade`, use the program that made it, or set `ledger_url` to where it is now.
    """

    code = "NSS-232"


class OlderLedgerError(LedgerError):
    """The ledger is older than the state, or no longer knows what an event that comes again needs.

    Restore the newer ledger; docs/state-and-recovery.md says how to go on without it.
    """

    code = "NSS-233"


class LandingStoreError(MapperError):
    """The landing store named by `--landing-url` cannot be read.

    Correct the URL, or start its database; without it only the ledger is asked.
    """

    code = "NSS-236"


class NotKnownError(LedgerError):
    """The ledger knows nothing of the key, event or order a command asks about.

    Check how it is spelt; after `ledger_keep_days` the ledger forgets.
    """

    code = "NSS-234"


class CopyError(LedgerError):
    """A ledger cannot be copied to where `--to` says.

    Name an empty database.
    """

    code = "NSS-235"


class StateError(MapperError):
    """A bookmark of the Singer state is not what the tap and this mapper write.

    Restore the state, or run once with `--full-refresh`.
    """

    code = "NSS-240"


class InputError(MapperError):
    """A line of the input is not a Singer message this mapper reads.

    See what stands between the tap and this mapper.
    """

    code = "NSS-241"


class ChangedStreamError(InputError):
    """What came is not what the tap sent: fields or records are missing or changed.

    Select all fields, and let no stream map, filter or other mapper stand before newstore-stock.
    """

    code = "NSS-242"


class TenantError(MapperError):
    """Events of two tenants came.

    Give each tenant its own receiver, landing store and ledger.
    """

    code = "NSS-243"


class OutputError(MapperError):
    """The messages could not be written to stdout. The cuts they belong to are in the ledger.

    Make room where stdout goes; the next run sends again what its state does not confirm.
    """

    code = "NSS-244"
