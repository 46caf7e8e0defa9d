"""The command line: a thin face, one file per command."""
