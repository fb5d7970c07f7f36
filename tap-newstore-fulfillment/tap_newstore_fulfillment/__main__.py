"""Run the tap: ``python -m tap_newstore_fulfillment``."""

from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

TapNewStoreFulfillment.cli()
