"""The landing store: keeps every event durably, and decides which may leave it."""
