"""Which model is which: versions, aliases and their history."""
