"""Players of a story: the product in one process, or as processes that are killed."""
