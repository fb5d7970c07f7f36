"""Stories: what happens to a shop, what is true, and the judge of NewStore's numbers."""
