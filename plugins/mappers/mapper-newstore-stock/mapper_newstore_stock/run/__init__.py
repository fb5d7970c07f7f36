"""One run of the mapper: events and the ERP's rows in, cuts out."""
