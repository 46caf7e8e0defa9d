"""What a table is, and what it must be."""
