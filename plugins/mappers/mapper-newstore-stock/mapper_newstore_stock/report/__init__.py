"""The report: the ledger as one page of HTML."""
