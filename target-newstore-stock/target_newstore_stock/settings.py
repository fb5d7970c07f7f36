"""The target's settings."""

from __future__ import annotations

import math
import typing as t

import msgspec
from singer_sdk import typing as th

from target_newstore_stock.addresses import check_tenant, check_url
from target_newstore_stock.errors import ConfigurationError
from target_newstore_stock.staging_link import check_link
from target_newstore_stock.store_mapping import creates_stores, read_store_mapping

if t.TYPE_CHECKING:
    from collections.abc import Mapping


SETTINGS: dict[str, t.Any] = {
    **th.PropertiesList(
        th.Property(
            "tenant",
            th.StringType(min_length=1),
            required=True,
            title="Tenant",
            description="NewStore tenant with its stage, such as `acme-staging`",
        ),
        th.Property(
            "client_id",
            th.StringType(min_length=1),
            required=True,
            title="Client ID",
            description="API client with `Support Legacy APIs`",
        ),
        th.Property(
            "client_secret",
            th.StringType(min_length=1),
            required=True,
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
        th.Property(
            "provider",
            th.StringType(min_length=1),
            default="newstore-stock-sync",
            title="Provider",
            description="Label on the import jobs; together with the name it says which jobs are ours",
        ),
        th.Property(
            "store_mapping",
            th.CustomType({"type": ["string", "object"]}),
            title="Store mapping",
            description="Store id per fulfillment node, nothing for a distribution centre: `DC.01=,NYC1=NYC1`, or an "
            "object; what is not named here comes from NewStore's locations",
        ),
        th.Property(
            "staging_url",
            th.StringType(min_length=1),
            required=True,
            title="Staging place",
            description="fsspec URL of the directory or prefix the stock files are written to",
        ),
        th.Property(
            "staging_link",
            th.StringType,
            default="presigned",
            title="Staging link",
            description="How NewStore fetches the files: `presigned` (object stores), `uri` (`s3://`), or an https "
            "base URL that serves the directory",
        ),
        th.Property(
            "mode",
            th.StringType,
            allowed_values=["none", "atp"],
            default="none",
            title="Quantity mode",
            description="`none`: quantities are stock on hand; `atp`: what the ERP still calls available",
        ),
        th.Property(
            "max_file_mb",
            th.NumberType(exclusive_minimum=0),
            default=80,
            title="Largest file (MB)",
            description="Largest stock file, unzipped and with its head, in millions of bytes",
        ),
        th.Property(
            "import_interval_seconds",
            th.NumberType(minimum=0),
            default=300,
            title="Import interval (seconds)",
            description="Distance between two imports of one run",
        ),
        th.Property(
            "poll_seconds",
            th.NumberType(exclusive_minimum=0),
            default=5,
            title="Poll interval (seconds)",
            description="Pause between the first two looks at a job; later ones grow to six times as long",
        ),
        th.Property(
            "import_timeout_seconds",
            th.NumberType(exclusive_minimum=0),
            default=3600,
            title="Import time-out (seconds)",
            description="How long a job is waited for",
        ),
        th.Property(
            "unknown_locations",
            th.StringType,
            allowed_values=["leave_out", "fail"],
            default="leave_out",
            title="Unknown locations",
            description="Nodes that neither NewStore nor `store_mapping` knows: `leave_out` of the file with a "
            "warning, or `fail`",
        ),
        th.Property(
            "create_locations",
            th.CustomType({"type": ["string", "boolean"]}),
            default=False,
            title="Create locations",
            description="`stores`: import nodes that neither NewStore nor `store_mapping` knows, and NewStore creates "
            "each as a store of its own name, for ever; `true` does no more than `false`. What `store_mapping` names "
            "is created in any case",
        ),
        th.Property(
            "staging_keep_days",
            th.NumberType(minimum=0),
            default=14,
            title="Keep staged files (days)",
            description="Older stock files of this provider and tenant are removed from the staging "
            "place; 0 keeps them",
        ),
        th.Property(
            "verify",
            th.StringType,
            allowed_values=["off", "warn", "fail"],
            default="off",
            title="Verify",
            description="Read ATP back after each import: `off`, `warn`, or `fail` when NewStore does "
            "not show it or promises more than was imported",
        ),
        th.Property(
            "verify_sample",
            th.IntegerType(minimum=0),
            default=2000,
            title="Verify sample",
            description="Keys of an import that are read back; 0 reads all",
        ),
        th.Property(
            "verify_timeout_seconds",
            th.NumberType(minimum=0),
            default=900,
            title="Verify time-out (seconds)",
            description="How long NewStore may take to show an import that has finished",
        ),
        th.Property(
            "future_inventory_nodes",
            th.ArrayType(th.StringType),
            default=[],
            title="Nodes with future inventory",
            description="Distribution centres where future inventory is loaded: for `verify`, ATP above the imported "
            "quantity is no contradiction there. Where NewStore lists allocations of it, it need not be said",
        ),
        th.Property(
            "dry_run",
            th.BooleanType,
            default=False,
            title="Dry run",
            description="Write the files and say what they would change; call nothing, emit no state",
        ),
        th.Property(
            "max_zeroed_percent",
            th.NumberType(minimum=0, maximum=100),
            title="Most keys emptied (percent)",
            description="Refuse an import that sets more than this percentage of its keys from above zero to zero",
        ),
        th.Property(
            "report_path",
            th.StringType,
            title="Report file",
            description="File that gets a line of JSON for each import, such as `import_report.jsonl`",
        ),
    ).to_dict(),
    "additionalProperties": False,
}
#: Settings that may be text instead. `allOf` hides the other form from the SDK, which would convert a variable to it.
for _name, _other in (
    ("store_mapping", {"type": "object", "additionalProperties": {"type": ["string", "object"]}}),
    ("create_locations", {"type": "boolean"}),
):
    SETTINGS["properties"][_name]["anyOf"] = [{"type": ["string", "null"]}, {"allOf": [_other]}]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a run, after the SDK has checked them and filled in the defaults of `SETTINGS`."""

    tenant: str
    client_id: str
    client_secret: str
    api_url: str | None = None
    auth_url: str | None = None
    provider: str
    store_mapping: dict[str, str] | None = None
    staging_url: str
    staging_link: str
    mode: str
    max_file_mb: float
    import_interval_seconds: float
    poll_seconds: float
    import_timeout_seconds: float
    unknown_locations: str
    create_stores: bool
    staging_keep_days: float
    verify: str
    verify_sample: float
    verify_timeout_seconds: float
    future_inventory_nodes: list[str]
    dry_run: bool | None
    max_zeroed_percent: float | None = None
    report_path: str | None = None

    @property
    def api_base_url(self) -> str:
        """The base URL of the API."""
        return self.api_url or f"https://{self.tenant}.p.newstore.net"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        realm = f"https://id.p.newstore.net/auth/realms/{self.tenant}"
        return self.auth_url or f"{realm}/protocol/openid-connect/token"

    @property
    def head_mode(self) -> str | None:
        """The quantity mode as the head of a stock file names it; None for stock on hand."""
        return None if self.mode == "none" else self.mode


def read_settings(config: Mapping[str, t.Any]) -> Settings:
    """Return the settings of a configuration.

    Raises:
        ConfigurationError: one is missing, useless or of another type.
    """
    read = {
        **config,
        "store_mapping": read_store_mapping(config.get("store_mapping")),
        "create_stores": creates_stores(config.get("create_locations")),
    }
    try:
        settings = msgspec.convert(read, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the configuration cannot be read: {error}") from error
    for name, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"{name}: {value}: expected a number")
    check_tenant(settings.tenant)
    check_url("api_url", settings.api_url)
    check_url("auth_url", settings.auth_url)
    check_link(settings.staging_link, settings.staging_url, is_dry_run=bool(settings.dry_run))
    return settings
