"""The catalogue of faults: what can go wrong, and what must come of it.

Tests carry `@pytest.mark.fault("F9")` or `@pytest.mark.adapter_mistake("…")`. test_catalogue.py
asserts that each entry has a test, and prints the table.
"""

from __future__ import annotations

#: By number: the fault, and what is expected.
FAULTS = {
    "F1": ("the receiver is killed in a burst", "everything answered 200 is kept; the rest is sent again"),
    "F2": ("the landing store is full, read-only, locked or restarted", "503, nothing lost, it recovers by itself"),
    "F3": ("an event arrives a hundred times, with its fields in another order", "it is one event"),
    "F4": ("events arrive in any order, some later than promised", "released in order; each late one once"),
    "F5": ("two writers commit in another order than they began", "no event is skipped"),
    "F6": ("tap, mapper or target is killed at any of its writes", "the next run ends with the right numbers"),
    "F7": ("a signal, a time-out or a closed input inside a cut", "nothing of the cut is imported or in the state"),
    "F8": ("the SDK wants to drain inside a cut", "the cut stays whole"),
    "F9": ("the target is killed between two steps of a job", "the job is adopted or failed, its slot freed"),
    "F10": ("a create call is refused or lost, but the job exists", "one import, never more than 20 open jobs"),
    "F11": ("a job fails, refuses items, never ends, or has an unknown state", "no state, and a clear error"),
    "F12": ("an older job is still open", "the next one waits: nothing is overtaken"),
    "F13": ("tokens expire, calls are limited, refused or cut off", "repeated as NewStore's contract requires"),
    "F14": ("the ERP's rows run ahead, lag, are absent, negative or not numbers", "right numbers, or a named error"),
    "F15": ("a second run at once, here, on another host, or with --force", "it fails at once; the first goes on"),
    "F16": ("the state is lost, old, edited, or of another environment", "right numbers, and never too much"),
    "F17": ("the ledger is deleted, or restored from a backup", "refused with advice, or right numbers"),
    "F18": ("a clock jumps by hours, either way", "nothing is released early, nothing waits forever"),
    "F19": ("unexpected locations, products, names, fields, sizes and lines", "kept, set aside, or refused"),
    "F20": ("a link or its object is gone before NewStore fetches it", "the job fails, the cut goes out again"),
    "F21": ("a full disk while zipping, an object store that is slow or down", "one clear error; repeatable"),
    "F22": ("clock, network and ERP at their worst together, for long", "never too much; equal at rest"),
    "F23": (
        "the ERP books in any order, takes bookings back, hands out yesterday's file, has a clock that is off",
        "never too much; equal after the next whole list",
    ),
    "F24": ("the ERP's list is empty, cut off, or shorter than the last one", "refused or named"),
    "F25": (
        "a key has no row, a row cannot be read, a source is down",
        "all others exact; it is never claimed, and goes out when it is mended",
    ),
    "F26": ("all events come again after products have left or units were folded", "right numbers, or a right refusal"),
    "F27": ("the row of a late unit is away for a run, ignored, or changes and changes back", "still subtracted"),
    "F28": ("what the tap sends is filtered, renamed or thinned out on its way", "refused, and nothing is declared"),
    "F29": ("a completion is refused at the door, as a body or as a line of an export file", "no range covers it"),
    "F30": ("bodies of any JSON, encoded, chunked or cut; an upgrade is offered", "taken, set aside, or 503"),
    "F31": ("events of other entities and tenants, or one timestamp far ahead", "no mark moves, nothing stops"),
    "F32": ("events are lost after a 200: deleted, restored, failed over, forgotten", "an audit finds and heals each"),
    "F33": ("two machines share ledger and staging, and stand still anywhere", "no older import lands on a newer one"),
    "F34": (
        "the primary database is killed under load and its standby promoted",
        "503, then on by itself; nothing lost, or all of it noticed",
    ),
    "F35": ("the list of the last run is deleted, cut, changed, older or another ledger's", "the same cut"),
    "F38": ("a token endpoint redirects, answers drip, NewStore quotes a signed link", "one error, no secret leaves"),
    "F39": ("historical orders come at go-live, which never stood in these numbers", "no number changes"),
}

#: Mistakes seen in other adapters, as sentences about them.
ADAPTER_MISTAKES = (
    "read the range after the stock instead of with it",
    "moved its bookmark when the job was queued",
    "declared the whole range with every part",
    "deleted its input before the import had ended",
    "dropped a whole file for one bad cell",
    "skipped the bad part but declared the whole range",
    "logged errors and reported success",
    "restarted all waiting jobs, including other people's",
    "never read a job's result",
    "gave links that expire before they are fetched",
    "let anybody post to the webhook",
    "answered 200 and dropped events it had no use for",
    "called the API before it answered the webhook",
    "took locks without an owner, which outlived the process",
    "sent a null location, which creates one",
    "truncated decimal quantities",
    "treated a number it had sent before as no change",
    "set numbers by reading and adding the difference",
    "treated status 200 as success when every row had failed",
)
