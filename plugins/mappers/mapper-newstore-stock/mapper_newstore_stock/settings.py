"""The mapper's settings."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

from mapper_newstore_stock.events import INT64
from mapper_newstore_stock.ledger.retention import DEFAULT_KEEP_DAYS
from mapper_newstore_stock.reading_settings import READING
from mapper_newstore_stock.run.rules import DEFAULT_MAX_CUT_ITEMS
from mapper_newstore_stock.sources_setting import sources_setting
from mapper_newstore_stock.written_settings import WRITTEN

DEFAULT_SKEW_SECONDS = 120
#: The longest time a setting may say: the ledger holds the milliseconds of it.
MOST_SECONDS = 10**9
STOCK, ALLOCATIONS = "stock", "allocations"

_FLAT: dict[str, t.Any] = th.PropertiesList(
    th.Property(
        "ledger_url",
        th.StringType(min_length=1),
        secret=True,
        title="Ledger",
        description="SQLAlchemy URL of the ledger: completed units, on-hand as last read, cuts sent. All servers of a "
        "PostgreSQL cluster: `postgresql://user@a:5432,b:5432/db`",
    ),
    th.Property(
        "on_hand_url",
        th.StringType(min_length=1),
        secret=True,
        title="On-hand source",
        description="The ERP's stock: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row, of a "
        "`.parquet` file or, with `/` at its end, of a directory of Parquet files; of what matches a `*` the newest "
        "counts",
    ),
    th.Property(
        "on_hand_table",
        th.StringType,
        title="On-hand table",
        description="Table to read from a SQL source (`schema.table` works)",
    ),
    th.Property(
        "on_hand_query",
        th.StringType,
        title="On-hand query",
        description="Query to read from a SQL source, instead of `on_hand_table`",
    ),
    th.Property(
        "on_hand_columns",
        th.ObjectType(
            th.Property("fulfillment_node_id", th.StringType(min_length=1)),
            th.Property("product_id", th.StringType(min_length=1)),
            th.Property("quantity", th.StringType(min_length=1)),
            th.Property("as_of_logical_timestamp", th.StringType(min_length=1)),
            th.Property("taken_at", th.StringType(min_length=1)),
            additional_properties=False,
        ),
        default={},
        title="On-hand columns",
        description="The source's own names for fulfillment_node_id, product_id, quantity, and for "
        "as_of_logical_timestamp (form `column`) or taken_at (form `taken_at`). Default: these names",
    ),
    th.Property(
        "on_hand_as_of",
        th.StringType,
        allowed_values=["column", "current", "taken_at", "booked"],
        default="column",
        title="On-hand as of",
        description="How a number proves which completions it contains. `column`: every completion up to its "
        "as_of_logical_timestamp; `current`: all, the ERP ships the goods and is read live; `taken_at`: those "
        "published before it was taken; `booked`: those the ERP lists as booked",
    ),
    th.Property(
        "contained_through",
        th.IntegerType(minimum=INT64[0], maximum=INT64[-1]),
        title="Contained through",
        description="Completions up to this logical timestamp are in every number; ranges cover them",
    ),
    th.Property(
        "ignore_shipped_before",
        th.StringType,
        title="Ignore what was shipped before",
        description="Items shipped before this time (such as `2025-03-01T00:00:00Z`), like historical orders at "
        "go-live, change no number and need no row; ranges cover them",
    ),
    th.Property(
        "on_hand_lag_seconds",
        th.IntegerType(minimum=0, maximum=MOST_SECONDS),
        default=0,
        title="On-hand lag (seconds)",
        description="How long before its modification time a file's numbers were taken (form `taken_at`)",
    ),
    th.Property(
        "clock_skew_seconds",
        th.IntegerType(minimum=0, maximum=MOST_SECONDS),
        default=DEFAULT_SKEW_SECONDS,
        title="Clock skew (seconds)",
        description="How far the clocks of NewStore and the ERP may differ (form `taken_at`), and those of whoever "
        "fills `on_hand_updated_column`",
    ),
    th.Property(
        "taken_at_timezone",
        th.StringType,
        default="UTC",
        title="Time zone of taken_at",
        description="Zone of times that name none, such as `Europe/Berlin`",
    ),
    th.Property(
        "taken_at_format",
        th.StringType,
        title="Format of taken_at",
        description="How the name of an on-hand file says when it was taken, as `strptime` reads it, such as "
        "`stock-%Y%m%d-%H%M.csv` (form `taken_at`); default its column taken_at, or its modification time less "
        "`on_hand_lag_seconds`",
    ),
    th.Property(
        "on_hand_done_marker",
        th.StringType,
        title="Done marker",
        description="Ending of a second file the ERP writes when a list is whole, such as `.done`; in a directory of "
        "Parquet files its name, such as `_SUCCESS`",
    ),
    *WRITTEN,
    th.Property(
        "newstore_clock_url",
        th.StringType,
        title="NewStore's clock",
        description="URL of NewStore whose `Date` header is compared each run (form `taken_at`), such as "
        "`https://acme.p.newstore.net`; not asked by default",
    ),
    th.Property(
        "booked_url",
        th.StringType,
        secret=True,
        title="Bookings",
        description="Where the ERP lists what it has booked (form `booked`): SQLAlchemy URL, or path or fsspec URL "
        "of a CSV or of Parquet; default `on_hand_url`",
    ),
    th.Property(
        "booked_table",
        th.StringType,
        title="Table of bookings",
        description="Table to read bookings from (`schema.table` works)",
    ),
    th.Property(
        "booked_query",
        th.StringType,
        title="Query of bookings",
        description="Query to read bookings from, instead of `booked_table`",
    ),
    th.Property(
        "booked_columns",
        th.ObjectType(
            th.Property("event_id", th.StringType(min_length=1)),
            th.Property("fulfillment_request_id", th.StringType(min_length=1)),
            th.Property("order_id", th.StringType(min_length=1)),
            th.Property("product_id", th.StringType(min_length=1)),
            th.Property("units", th.StringType(min_length=1)),
            th.Property("fulfillment_node_id", th.StringType(min_length=1)),
            additional_properties=False,
        ),
        default={},
        title="Columns of bookings",
        description="The source's own names: for what a booking is known by (one of event_id, "
        "fulfillment_request_id, order_id) and for product_id, units (default: 1 a row) and fulfillment_node_id. "
        "Default: those of these names that it has",
    ),
    th.Property(
        "booked_reversible",
        th.BooleanType,
        default=False,
        title="Bookings can be reversed",
        description="The ERP takes bookings back: what it lists now counts, read at one moment with the numbers",
    ),
    th.Property(
        "ignored_nodes",
        th.ArrayType(th.StringType),
        default=[],
        title="Ignored nodes",
        description="Fulfillment nodes not managed here (`*` globs), such as stores mastered by NewStore",
    ),
    th.Property(
        "ignored_products",
        th.ArrayType(th.StringType),
        default=[],
        title="Ignored products",
        description="Products not managed here (`*` globs), such as gift cards",
    ),
    th.Property(
        "max_cut_items",
        th.IntegerType(minimum=1),
        default=DEFAULT_MAX_CUT_ITEMS,
        title="Largest cut",
        description="Stock records per import; a larger cut is split along logical timestamps",
    ),
    th.Property(
        "negative_on_hand",
        th.StringType,
        allowed_values=["zero", "fail"],
        default="zero",
        title="Negative quantities",
        description="`zero`: send 0 and warn; `fail`: stop the run",
    ),
    *READING,
    th.Property(
        "held_keys",
        th.StringType,
        allowed_values=["hold", "fail"],
        default="hold",
        title="Held keys",
        description="What a key means that has completed units and never had a usable row. `hold`: nothing is sent for "
        "it, and no range covers its completions; `fail`: stop the run",
    ),
    th.Property(
        "max_held_percent",
        th.NumberType(minimum=0, maximum=100),
        title="Most held keys (percent)",
        description="More held keys than this stop the run. Default: 1 percent of all keys, but 20 keys in any case",
    ),
    th.Property(
        "claim_ignored",
        th.BooleanType,
        default=True,
        title="Claim what is ignored",
        description="Ranges cover completions of ignored nodes and products; off, they are split around them",
    ),
    th.Property(
        "ledger_keep_days",
        th.IntegerType(minimum=0),
        default=DEFAULT_KEEP_DAYS,
        title="Days kept",
        description="Completions that NewStore and the ERP both contain are kept this long in the ledger",
    ),
    th.Property(
        "cache_dir",
        th.StringType,
        title="Cache directory",
        description="Where the last lists, on-hand and bookings, are kept, so that the next run reads only what "
        "differs; they may be deleted at any time. Default: beside a SQLite ledger; with a ledger on PostgreSQL, "
        "none is kept",
    ),
    th.Property(
        "output",
        th.StringType,
        allowed_values=[STOCK, ALLOCATIONS],
        default=STOCK,
        title="Output",
        description="`stock`: stock records in cuts, for NewStore; `allocations`: stock_changes, for an ERP",
    ),
).to_dict()

SETTINGS: dict[str, t.Any] = {
    **_FLAT,
    "properties": {**_FLAT["properties"], "on_hand_sources": sources_setting(_FLAT["properties"])},
    "additionalProperties": False,
    # Only the output `stock` needs a ledger and the ERP's numbers.
    "if": {"properties": {"output": {"const": ALLOCATIONS}}, "required": ["output"]},
    "else": {
        "if": {"required": ["on_hand_sources"]},
        "then": {"required": ["ledger_url"]},
        "else": {"required": ["ledger_url", "on_hand_url"]},
    },
}
