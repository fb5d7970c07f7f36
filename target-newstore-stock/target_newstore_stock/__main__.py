"""Run the target: ``python -m target_newstore_stock``."""

from target_newstore_stock.target import TargetNewStoreStock

TargetNewStoreStock.cli()
