"""What a source may be asked through, one connector a file."""
