"""The mapper's settings."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

from mapper_newstore_stock.ledger.retention import DEFAULT_KEEP_DAYS
from mapper_newstore_stock.run.planning import DEFAULT_MAX_CUT_ITEMS

STOCK, ALLOCATIONS = "stock", "allocations"

SETTINGS: dict[str, t.Any] = {
    **th.PropertiesList(
        th.Property(
            "ledger_url",
            th.StringType,
            secret=True,
            title="Ledger",
            description="SQLAlchemy URL of the ledger: completed units, on-hand as last read, cuts sent",
        ),
        th.Property(
            "on_hand_url",
            th.StringType,
            secret=True,
            title="On-hand source",
            description="The ERP's stock: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row",
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
                th.Property("fulfillment_node_id", th.StringType),
                th.Property("product_id", th.StringType),
                th.Property("quantity", th.StringType),
                th.Property("as_of_logical_timestamp", th.StringType),
                additional_properties=False,
            ),
            default={},
            title="On-hand columns",
            description="The source's own names for fulfillment_node_id, product_id, quantity and "
            "as_of_logical_timestamp",
        ),
        th.Property(
            "on_hand_as_of",
            th.StringType,
            allowed_values=["column", "current"],
            default="column",
            title="On-hand as of",
            description="`column`: as_of_logical_timestamp says which completions a number contains; "
            "`current`: the ERP ships the goods, its numbers always contain every completion",
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
        th.Property(
            "on_hand_updated_column",
            th.StringType,
            title="On-hand updated column",
            description="Column of a SQL source that grows whenever a row changes: a run reads only what changed since",
        ),
        th.Property(
            "ledger_keep_days",
            th.IntegerType(minimum=0),
            default=DEFAULT_KEEP_DAYS,
            title="Days kept",
            description="Completions that NewStore and the ERP both contain are kept this long in the ledger",
        ),
        th.Property(
            "output",
            th.StringType,
            allowed_values=[STOCK, ALLOCATIONS],
            default=STOCK,
            title="Output",
            description="`stock`: stock records in cuts, for NewStore; `allocations`: stock_changes, for an ERP",
        ),
    ).to_dict(),
    "additionalProperties": False,
    # Only the output `stock` needs a ledger and the ERP's numbers.
    "if": {"properties": {"output": {"const": ALLOCATIONS}}, "required": ["output"]},
    "else": {"required": ["ledger_url", "on_hand_url"]},
}
