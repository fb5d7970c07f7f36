"""Programs that measure; `make bench` runs them. They are not tests: no figure fails a build."""
