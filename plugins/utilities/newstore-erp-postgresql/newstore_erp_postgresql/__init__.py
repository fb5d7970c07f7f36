"""An ERP's stock on PostgreSQL that takes NewStore's changes exactly once."""
