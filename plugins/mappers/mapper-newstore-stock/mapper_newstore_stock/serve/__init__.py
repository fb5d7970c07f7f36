"""`newstore-stock-ledger serve`: the ledger as pages for people, read-only."""
