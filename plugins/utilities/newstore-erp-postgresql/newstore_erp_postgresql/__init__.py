"""An ERP's stock on PostgreSQL that applies NewStore's changes exactly once."""
