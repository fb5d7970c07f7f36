"""What happens to a shop, what is true of it, and who judges the numbers."""
