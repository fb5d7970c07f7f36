"""One run: events and the ERP's rows in, cuts out."""
