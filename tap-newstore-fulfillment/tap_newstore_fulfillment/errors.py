"""The errors of this package; their texts say what a user can do.

`code` is for tools: it stays what it is. The first paragraph of a class says what the code means, the second what to
do about it; docs/errors.md is written from them. What ends no command has no code of its own.
"""

from __future__ import annotations

import typing as t


class TapError(Exception):
    """Nobody foresaw this, or the Singer SDK refused something. No event is lost.

    Read the line; if it does not say what to do, report it with the log of the run.

    Args:
        message: What happened, and where.
        to_do: What to do about it, where the message does not say it; a check says it in words of its own.
    """

    code: t.ClassVar[str] = "NSS-100"
    exit_code = 1

    def __init__(self, message: str, to_do: str = "") -> None:
        super().__init__(message)
        self.to_do = to_do

    def with_to_do(self) -> str:
        """Return the text with what to do about it, where the text does not say that itself."""
        return f"{str(self).removesuffix('.')}. {self.to_do}" if self.to_do else str(self)


class ConfigurationError(TapError):
    """A setting or an option is missing, cannot be read, or contradicts another one.

    Correct what the line names. `newstore-event-receiver check` names all of them at once.
    """

    code = "NSS-101"
    exit_code = 2


class FoundError(TapError):
    """A command or a check has found what it was asked to look for. No run has failed by it.

    Look at what it lists, or do what its line says.
    """

    code = "NSS-102"


class StoreError(TapError):
    """The landing store cannot be opened, read or written.

    See to it that `landing_url` names it, and that its file or database is there and can be written.
    """

    code = "NSS-110"


class StoreUnavailableError(StoreError):
    """The landing store did not answer or takes no writes at the moment. NewStore sends again what came meanwhile.

    Look at the database; nothing else needs to be done.
    """

    code = "NSS-111"


class NoPrimaryError(StoreUnavailableError):
    """No server of the landing store takes writes: a failover is under way, or what answers is a standby.

    Wait for the failover, or let `landing_url` name the primary (docs/high-availability.md).
    """

    code = "NSS-112"


class StoreRefusedError(StoreError):
    """The landing store works and cannot hold this content; to send it again would not help.

    Look at what was set aside: `newstore-event-receiver quarantine list`.
    """

    code = "NSS-113"


class StoreVersionError(StoreError):
    """The landing store was made by another version of this program, or has been moved elsewhere.

    Run `newstore-event-receiver upgrade`, use the program that made it, or set `landing_url` to where it is now.
    """

    code = "NSS-114"


class StoreCopyError(StoreError):
    """A landing store cannot be copied to where `--to` says.

    Name an empty database.
    """

    code = "NSS-115"


class NotKnownError(StoreError):
    """The landing store knows nothing of the body, pipeline or audit a command names.

    List what there is; a store that has gone back has forgotten what came since.
    """

    code = "NSS-116"


class ExportFilesError(TapError):
    """Export files cannot be listed or read. The next run goes on where this one stopped.

    See to it that `export_files_url` can be reached and listed, and that the temporary directory has room.
    """

    code = "NSS-120"


class StateError(TapError):
    """A bookmark of the Singer state is not what this tap writes.

    Restore the state, or run once with `--full-refresh`.
    """

    code = "NSS-130"


class OutputError(TapError):
    """The messages could not be written to stdout. No event is lost.

    Make room where stdout goes; the next run sends again what its state does not confirm.
    """

    code = "NSS-131"


class NewStoreError(TapError):
    """NewStore did not answer, answered what is none of its answers, or gave no token.

    Check `api_url`, `auth_url` and the credentials, then run the command again.
    """

    code = "NSS-140"
    #: Whether the call may have been carried out all the same.
    may_have_happened = False


class NewStoreCallError(NewStoreError):
    """NewStore refused a call.

    The line has NewStore's own words and the status.

    Args:
        message: What it answered, in its own words.
        status: HTTP status.
        to_do: What to do about it, where the message does not say it.
    """

    code = "NSS-141"

    def __init__(self, message: str, status: int, to_do: str = "") -> None:
        super().__init__(message, to_do)
        self.status = status
        self.may_have_happened = status >= 500


class IntegrationError(TapError):
    """An integration of the event stream does not deliver, is not done in time, or its events were rejected.

    Look at `newstore-event-receiver status`, `logs` and `rejected list`.
    """

    code = "NSS-142"


class CouldNotAuditError(TapError):
    """An audit could not compare everything, so it says nothing about what was lost; 1 would say that something was.

    Correct what the line names and audit again, before NewStore forgets the hours in question.
    """

    code = "NSS-150"
    exit_code = 3


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
