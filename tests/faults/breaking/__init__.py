"""Things broken on purpose: writes, clocks, databases, and the product itself."""
