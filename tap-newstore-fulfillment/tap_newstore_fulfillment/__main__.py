"""Run the tap: ``python -m tap_newstore_fulfillment``."""

from tap_newstore_fulfillment.start import main

main()
