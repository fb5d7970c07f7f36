"""The ledger: what was completed, what the ERP says, and what has been sent."""
