"""What was played and what each fault is tested by, as tables and as JSON."""
