"""Benchmarks, run by `make bench`. They are not tests: no figure fails a build."""
