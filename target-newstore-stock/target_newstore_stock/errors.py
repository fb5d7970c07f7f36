"""The errors of this package. Each message tells a user what to do.

`code` is for tools: it stays what it is. The first paragraph of a class says what the code means, the second what to
do about it; docs/errors.md is written from them.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from target_newstore_stock.terminal import Table


class TargetError(Exception):
    """Nobody foresaw this, or the Singer SDK refused something. The state stays where it was.

    Read the line; if it does not say what to do, report it with the log of the run.

    Args:
        message: What happened, in one line.
        table: Details that do not fit in one line; printed before it.
        to_do: What to do about it, where the message does not say it; a check says it in words of its own.
    """

    code: t.ClassVar[str] = "NSS-300"
    exit_code = 1

    def __init__(self, message: str, table: Table | None = None, to_do: str = "") -> None:
        super().__init__(message)
        self.table = table
        self.to_do = to_do

    def with_to_do(self) -> str:
        """Return the text with what to do about it, where the text does not say that itself."""
        return f"{str(self).removesuffix('.')}. {self.to_do}" if self.to_do else str(self)


class ConfigurationError(TargetError):
    """A setting or an option is missing, cannot be read, or contradicts another one.

    Correct what the line names. `newstore-stock-import check` names all of them at once.
    """

    code = "NSS-301"
    exit_code = 2


class FoundError(TargetError):
    """A check has found what would make a run fail.

    The line says what to do before the next run.
    """

    code = "NSS-302"


class RecordError(TargetError):
    """A record is not a stock record, or does not fit its cut. Nothing of the cut was imported.

    Let nothing change the mapper's records on their way, or correct what writes them.
    """

    code = "NSS-310"


class IncompleteCutError(TargetError):
    """The input ended inside a cut. Nothing of the cut was imported.

    See why the parts before the target ended; the next run sends the cut again.
    """

    code = "NSS-311"


class TooLargeError(RecordError):
    """A cut is larger than `max_file_mb`. Nothing of it was imported.

    Lower the mapper's `max_cut_items`.
    """

    code = "NSS-312"


class TooManyZeroedError(RecordError):
    """More keys would fall to zero than `max_zeroed_percent` allows. Nothing was imported.

    Look at the ERP's stock; if it is right, raise the setting for one run.
    """

    code = "NSS-313"


class LocationError(TargetError):
    """A fulfillment node must not, or cannot, be imported. Nothing was uploaded.

    Correct `store_mapping`, make the location in NewStore, or leave the node out by the mapper's `ignored_nodes`.
    """

    code = "NSS-320"


class StagingError(TargetError):
    """The stock file could not be staged for NewStore, or cannot be fetched by its link.

    Correct `staging_url`, `staging_link` or the rights and the room of that place.
    """

    code = "NSS-330"


class ApiError(TargetError):
    """NewStore refused a call, or did not answer.

    The line has NewStore's own words and the status; what may pass has been tried again before.

    Args:
        message: What happened, with NewStore's own words.
        status: HTTP status; None when there was no answer.
        retry_after: Seconds NewStore asks us to wait.
        is_ip_limit: This IP address has called too often; the limit lasts five minutes.
    """

    code = "NSS-340"

    def __init__(
        self,
        message: str,
        status: int | None = None,
        retry_after: float | None = None,
        *,
        is_ip_limit: bool = False,
        to_do: str = "",
    ) -> None:
        super().__init__(message, to_do=to_do)
        self.status = status
        self.retry_after = retry_after
        self.is_ip_limit = is_ip_limit

    @property
    def may_have_happened(self) -> bool:
        """The call may have been carried out, although no success was reported."""
        return self.status is None or self.status >= 500

    @property
    def passes(self) -> bool:
        """The same call may succeed later."""
        return self.may_have_happened or self.status == 429 or self.is_ip_limit


class TokenError(ApiError):
    """NewStore gave no token.

    Check `auth_url`, `client_id` and `client_secret`.
    """

    code = "NSS-341"


class ImportJobError(TargetError):
    """An import job failed, or did not end in time. Nothing of it is acknowledged.

    Look at its report in NewStore; the next run sends it again.
    """

    code = "NSS-350"


class RefusedItemsError(ImportJobError):
    """NewStore refused items of an import.

    Make the products or locations named in NewStore, or leave them out by the mapper's settings.
    """

    code = "NSS-351"


class VerificationError(TargetError):
    """NewStore's own numbers contradict an import.

    Run `newstore-stock-ledger diff`, which names the cause for each key.
    """

    code = "NSS-360"


class SecondRunError(TargetError):
    """Another run imports for the same tenant, or has newer numbers.

    Nothing; the next run goes on from what NewStore has.
    """

    code = "NSS-370"


class InputError(TargetError):
    """A line of the input is not a Singer message this target reads.

    See what stands between the mapper and this target.
    """

    code = "NSS-380"


class OutputError(TargetError):
    """The STATE could not be written to stdout. NewStore has the import it is behind.

    Make room where stdout goes, or see why what reads it has ended; the next run sends the import again.
    """

    code = "NSS-381"
