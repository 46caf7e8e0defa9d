"""Outside data comes in as immutable snapshots, and results go out."""
