"""Run the mapper: ``python -m mapper_newstore_stock``."""

from mapper_newstore_stock.start import main

main()
