"""`newstore-stock-ledger check`: what of a run of the mapper can be known before it is made."""

from __future__ import annotations

import typing as t

import click

from mapper_newstore_stock.check.ledgers import look_at_ledger
from mapper_newstore_stock.check.lists import look_at_bad_rows, look_at_list, nodes_read
from mapper_newstore_stock.check.locations import Unknown, look_at_locations
from mapper_newstore_stock.findings import Findings, format_option
from mapper_newstore_stock.ledger_url import check_ledger_url
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.newstore_options import NAMES, NEWSTORE, newstore_options, tenant_option, with_addresses
from mapper_newstore_stock.run.sources import Sources
from mapper_newstore_stock.settings import ALLOCATIONS

if t.TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@newstore_options
@tenant_option
@click.option("--store-mapping", envvar=f"{NEWSTORE}STORE_MAPPING", help="The target's setting `store_mapping`.")
@click.option(
    "--unknown-locations", envvar=f"{NEWSTORE}UNKNOWN_LOCATIONS", help="The target's setting `unknown_locations`."
)
@click.option(
    "--create-locations", envvar=f"{NEWSTORE}CREATE_LOCATIONS", help="The target's setting `create_locations`."
)
@format_option
@click.pass_context
def check(context: click.Context, /, output_format: str, tenant: str | None, **options: t.Any) -> None:
    """Look at everything a run needs: settings, ledger, the ERP's lists, clocks, locations.

    Nothing is changed, and no number is computed. The lists are read whole, by the eyes of a run.
    Where options or TARGET_NEWSTORE_STOCK_* say who asks, the lists' locations are compared with NewStore's.

    Exits with 1 if a run would fail, with 2 if the configuration is wrong.
    """
    given = context.parent.params if context.parent else {}
    findings = Findings(output_format)
    config = findings.configuration(lambda: _settings(given.get("config") or {}, given.get("ledger_url")))
    if config is not None and config["output"] != ALLOCATIONS:
        nodes = _look(findings, config)
        newstore = with_addresses(tenant, {name: options[name] for name in NAMES})
        unknown = Unknown.of(options["store_mapping"], options["unknown_locations"], options["create_locations"])
        look_at_locations(findings, nodes, newstore, unknown)
    findings.finish()


def _settings(config: dict[str, t.Any], ledger_url: str | None) -> Mapping[str, t.Any]:
    known = config if config.get("ledger_url") or not ledger_url else {**config, "ledger_url": ledger_url}
    settings = MapperNewStoreStock(config=known, parse_env_config=True).config
    if settings.get("ledger_url"):
        check_ledger_url(settings["ledger_url"])
    return settings


def _look(findings: Findings, config: Mapping[str, t.Any]) -> set[str]:
    """Look at ledger and lists; return the fulfillment nodes that the lists name."""
    sources = Sources(config)
    nodes: set[str] = set()
    with look_at_ledger(findings, config["ledger_url"]) as connection:
        counted = []
        for source in sources:
            counted.append(look_at_list(findings, connection, sources, source))
            nodes |= nodes_read(connection)
        look_at_bad_rows(findings, counted, config)
    return nodes
