"""Run the target: ``python -m target_newstore_stock``."""

from target_newstore_stock.start import main

main()
