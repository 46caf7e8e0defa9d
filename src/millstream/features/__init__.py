"""Features and labels as of a moment."""
