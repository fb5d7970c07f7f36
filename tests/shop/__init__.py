"""A shop to test the project on: NewStore's sandbox, the event receiver, an ERP's CSV, and the pipeline."""
