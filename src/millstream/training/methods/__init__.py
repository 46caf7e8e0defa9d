"""The methods that come with millstream, one per file, and the adapter for other people's estimators."""
