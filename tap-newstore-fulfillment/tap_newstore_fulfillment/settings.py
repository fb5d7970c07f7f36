"""The tap's settings, as one JSON schema; the README's table of settings is written from it."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

#: Values of `source`.
LANDING = "landing"
EXPORT_FILES = "export_files"

#: What a database's whole numbers hold.
INT64 = range(-(2**63), 2**63)
#: The most seconds, minutes, days or megabytes anybody may ask for: a store holds the milliseconds and bytes of it.
MOST = 10**9

#: Which settings each source requires; commands that use no source leave this out.
REQUIRED_BY_SOURCE: dict[str, t.Any] = {
    "if": {"properties": {"source": {"const": EXPORT_FILES}}, "required": ["source"]},
    "then": {"required": ["export_files_url"]},
    "else": {"required": ["landing_url"]},
}

SETTINGS: dict[str, t.Any] = {
    **th.PropertiesList(
        th.Property(
            "source",
            th.StringType,
            allowed_values=[LANDING, EXPORT_FILES],
            default=LANDING,
            title="Source",
            description="Where events come from: `landing`, the store of newstore-event-receiver; "
            "`export_files`, the files NewStore's S3 sink writes",
        ),
        th.Property(
            "landing_url",
            th.StringType(min_length=1),
            secret=True,
            title="Landing store",
            description="SQLAlchemy URL of the store the event receiver writes to, and export files are read "
            "into; required unless `source` is `export_files`. All servers of a PostgreSQL cluster: "
            "`postgresql://user@a:5432,b:5432/db`",
        ),
        th.Property(
            "export_files_url",
            th.StringType(min_length=1),
            title="Export files",
            description="fsspec URL of the prefix of the export files (a directory, `s3://`, `gs://`, `az://`); "
            "required when `source` is `export_files`",
        ),
        th.Property(
            "export_files_start_date",
            th.DateTimeType,
            title="Oldest export file",
            description="Export files whose names, which begin with a time, are older than this moment, such as "
            "`2026-01-01T00:00:00Z`, are not read; on S3 they are not listed either",
        ),
        th.Property(
            "export_rejects_path",
            th.StringType,
            title="Export rejects",
            description="File that receives the lines of export files that are no events; default "
            "`export_rejects.jsonl` beside a landing store on SQLite, else in the working directory",
        ),
        th.Property(
            "settle_seconds",
            th.IntegerType(minimum=0, maximum=MOST),
            default=900,
            title="Settle time (seconds)",
            description="How long a timestamp waits for lower ones; NewStore promises 15 minutes",
        ),
        th.Property(
            "hole_wait_minutes",
            th.IntegerType(minimum=0, maximum=MOST),
            default=0,
            title="Wait at a hole (minutes)",
            description="Where logical timestamps have proven dense, how much longer than `settle_seconds` the release "
            "waits at most for one that is missing; 0: not at all",
        ),
        th.Property(
            "start_logical_timestamp",
            th.IntegerType(minimum=INT64[0], maximum=INT64[-1]),
            title="Oldest logical timestamp",
            description="Events with a lower logical timestamp are ignored",
        ),
        th.Property(
            "emit_unreleased",
            th.BooleanType,
            default=False,
            title="Emit unreleased events",
            description="Also emit events that have not settled yet, marked `released: false`; they come again",
        ),
        th.Property(
            "quarantine_max_mb",
            th.IntegerType(minimum=1, maximum=MOST),
            default=200,
            title="Largest quarantine (MB)",
            description="The most that bodies set aside may take in the landing store; beyond it the oldest are "
            "emptied, and what they leave open stays",
        ),
        th.Property(
            "receiver_api_key",
            th.StringType,
            secret=True,
            title="Receiver key",
            description="Key NewStore sends as `Authorization: Bearer`; required, unless `receiver_open` is on",
        ),
        th.Property(
            "receiver_previous_api_key",
            th.StringType,
            secret=True,
            title="Previous receiver key",
            description="Accepted beside `receiver_api_key` while NewStore still sends the old one",
        ),
        th.Property(
            "receiver_open",
            th.BooleanType,
            default=False,
            title="Open receiver",
            description="Without a key, let everybody post who reaches the loopback interface: for trials, with "
            "nothing in front of it",
        ),
        th.Property(
            "receiver_host",
            th.StringType,
            default="127.0.0.1",
            title="Receiver address",
            description="Address newstore-event-receiver listens on",
        ),
        th.Property(
            "receiver_port",
            th.IntegerType(minimum=0, maximum=65535),
            default=8765,
            title="Receiver port",
            description="Port newstore-event-receiver listens on; 0 takes any free one",
        ),
        th.Property(
            "metrics_port",
            th.IntegerType(minimum=0, maximum=65535),
            title="Metrics port",
            description="Port of `/healthz` and `/metrics`, which `receiver_port` does not have then; 0 takes any "
            "free one",
        ),
        th.Property(
            "audit_on_loss",
            th.BooleanType,
            default=True,
            title="Audit on loss",
            description="A receiver that sees its landing store go back, or hears so from the tap, has NewStore "
            "deliver again what may be gone; for that it needs `tenant`, `client_id` and `client_secret`",
        ),
        th.Property(
            "audit_callback_url",
            th.StringType,
            title="Callback URL of audits",
            description="The receiver as NewStore reaches it, for audits: `https://…/events`; default: where the "
            "integration `newstore-stock-sync` delivers",
        ),
        th.Property(
            "tenant",
            th.StringType,
            title="Tenant",
            description="NewStore tenant with its stage, such as `acme-staging`; needed to register with NewStore. "
            "Events of another tenant are set aside; without it, the first tenant an event names is the store's",
        ),
        th.Property(
            "client_id",
            th.StringType,
            title="Client ID",
            description="API client that registers with NewStore",
        ),
        th.Property(
            "client_secret",
            th.StringType,
            secret=True,
            title="Client secret",
            description="Secret of the API client",
        ),
        th.Property(
            "api_url",
            th.StringType,
            title="API URL",
            description="Base URL of the API; default `https://{tenant}.p.newstore.net`",
        ),
        th.Property(
            "auth_url",
            th.StringType,
            title="Token URL",
            description="The whole token endpoint; default "
            "`https://id.p.newstore.net/auth/realms/{tenant}/protocol/openid-connect/token`",
        ),
    ).to_dict(),
    "additionalProperties": False,
    **REQUIRED_BY_SOURCE,
}
