"""Singer target that writes stock records to NewStore as stock-import jobs."""
