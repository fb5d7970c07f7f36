"""Reports: what was played, and which tests cover each fault, as tables and as JSON."""
