"""The settings that say how much of a list is read, and what it may lack."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

READING: tuple[th.Property[t.Any], ...] = (
    th.Property(
        "on_hand_updated_column",
        th.StringType,
        title="On-hand updated column",
        description="Column of a SQL source that grows whenever a row changes: a run reads only what changed since",
    ),
    th.Property(
        "full_read_hours",
        th.NumberType(minimum=0),
        default=24,
        title="Hours between full readings",
        description="With `on_hand_updated_column`, all rows are read at least this often: so deleted rows are found, "
        "and changes that were missed. 0: in every run",
    ),
    th.Property(
        "vanished_rows",
        th.StringType,
        allowed_values=["zero", "keep", "fail"],
        default="zero",
        title="Vanished rows",
        description="What a key means that the ERP's list no longer has. `zero`: 0 is sent; `keep`: its last row "
        "stands; `fail`: stop the run",
    ),
    th.Property(
        "max_vanished_percent",
        th.NumberType(minimum=0, maximum=100),
        default=5,
        title="Most vanished rows (percent)",
        description="A list that is shorter than the last one by more is not whole, and refused",
    ),
    th.Property(
        "max_on_hand_age_minutes",
        th.NumberType(minimum=0),
        title="Oldest on-hand (minutes)",
        description="A list older than this is refused. While the source cannot be read its last rows stand this "
        "long, then its keys are held. Default: any age, and a source that cannot be read stops the run; of "
        "several sources 1440",
    ),
)
