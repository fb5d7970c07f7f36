"""A local NewStore with real stock arithmetic, for demos and tests."""
